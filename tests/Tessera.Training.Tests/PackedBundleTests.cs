using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Bundles of networks of one bit, with packed weights.</summary>
[Collection("engine")]
public sealed class PackedBundleTests : IDisposable
{
    private readonly TempFolder folder = new();

    /// <summary>A small network of one bit.</summary>
    /// <param name="Width">Channels of a node.</param>
    internal sealed record SmallBits(int Width = 24) : ArchitectureOptions
    {
        public override Backbone Create(ModelOptions options)
        {
            BatsChoice[] cell = [new("sep_conv_3x3", 0), new("dil_conv_5x5", 1)];
            return new Bats(
                new Bats.Config(options.ImageSize ?? (16, 16), new(cell, [2], cell, [2]), Width, Layers: 3, Classes: options.Classes ?? 3)
            );
        }
    }

    // The registry belongs to the process.
    static PackedBundleTests() => Architectures.Add(new("small_bits", typeof(SmallBits)));

    public void Dispose() => folder.Dispose();

    private static ModelBundle Trained()
    {
        var spec = new ModelSpec("small_bits", new() { Classes = 3, ImageSize = (16, 16) }, Architecture: new SmallBits());
        var content = new BundleContent(
            spec,
            new ClassificationTask(7),
            new ImageFacts(["a", "b", "c"], 3, 16, null, [0.5f, 0.25f, 0.125f], [1, 2, 3]),
            new([new Squash(16)], 0.9),
            Precision.Fp32
        );
        var model = spec.Create();
        model.Eval();
        return new(model, content, "made");
    }

    [Fact]
    public void A_bundle_of_packed_weights_is_loaded_as_it_was_saved_and_gives_the_same_bits()
    {
        using var scope = new Scope();
        using var mode = Torch.NoGrad();
        Torch.Seed(8);
        var bundle = Trained();
        bundle.Save(folder["real"]);
        var images = Torch.Randn([2, 3, 16, 16]);
        var expected = bundle.Model.Run(new(images)).Logits;
        var convolutions = bundle.Model.PackBinaryConvolutions();
        Assert.Equal(bundle.Model.NamedModules().Count(one => one.Module is BinaryConv2d), convolutions);
        bundle.Save(folder["packed"]);

        var loaded = ModelBundle.Load(folder["packed"]);
        Assert.All(loaded.Model.NamedModules(), one => Assert.NotEqual(false, (one.Module as BinaryConv2d)?.IsPacked));
        Near.Identical(expected, loaded.Model.Run(new(images)).Logits);
        // Whole bytes for each filter of at least 18 weights.
        Assert.True(Size("real") - Size("packed") > 20 * Packed(loaded.Model));

        // A file of weights into a model that was made for floats.
        var other = Trained();
        var report = other.Model.Load(Path.Combine(folder["packed"], "model.safetensors"));
        Assert.Equal((report.Tensors, 0), (report.Loaded, report.Notes.Count));
        Near.Identical(expected, other.Model.Run(new(images)).Logits);

        long Size(string name) => new FileInfo(Path.Combine(folder[name], "model.safetensors")).Length;
        static long Packed(Model model) =>
            model.StateDict().Where(one => one.Key.EndsWith("packed_weight", StringComparison.Ordinal)).Sum(one => one.Value.Elements);
    }

    [Fact]
    public void Packed_weights_have_no_mean()
    {
        using var scope = new Scope();
        var model = Trained().Model;
        model.PackBinaryConvolutions();
        var error = Assert.Throws<WeightAverageException>(() => new WeightAverage().Add("mine", model.StateDict));
        Assert.Contains("holds packed weights (cells.0.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_training_from_packed_weights_says_that_they_cannot_be_trained()
    {
        using var scope = new Scope();
        var model = Trained().Model;
        model.PackBinaryConvolutions();
        model.Train();
        var error = Assert.Throws<InvalidOperationException>(() => model.Run(new(Torch.Randn([2, 3, 16, 16]))));
        Assert.Contains("packed weights cannot be trained", error.Message, StringComparison.Ordinal);
    }
}
