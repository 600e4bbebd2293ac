using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Models.Fitting;
using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>Which models weights fit, by names and shapes alone.</summary>
public class FittingTests
{
    private static readonly Variant[] some =
    [
        .. ((string[])["vit_mini_patch4_32", "vit_tiny_patch16_224", "cct_2_3x2_32", "cct_7_3x1_32", "deit_tiny_patch16_224"]).Select(
            Registry.Get
        ),
    ];

    private static Backbone Create(string name, ModelOptions? options = null)
    {
        using var skip = Init.Skip();
        return Registry.Create(name, options);
    }

    private static IReadOnlyList<ModelFit> Saved(
        IEnumerable<KeyValuePair<string, Tensor>> state,
        IEnumerable<Variant>? variants = null,
        Action<string>? change = null
    )
    {
        using var folder = new TempFolder();
        Checkpoint.SaveSafetensors(folder["w.safetensors"], state.ToCheckpoint());
        change?.Invoke(folder["w.safetensors"]);
        using var file = Checkpoint.Open(folder["w.safetensors"]);
        return ModelFits.Find(WeightShapes.Of(file, file.FindStateDict()), variants ?? some);
    }

    [Theory]
    [InlineData("")]
    [InlineData("module.")]
    [InlineData("model.backbone.")]
    public void A_models_own_weights_fit_it_completely_and_come_first(string prefix)
    {
        using var scope = new Scope();
        var state = Create("cct_7_3x1_32").StateDict().Select(entry => KeyValuePair.Create(prefix + entry.Key, entry.Value));
        var first = Saved(state)[0];
        Assert.Equal(("cct_7_3x1_32", FitKind.Complete), (first.Model, first.Kind));
        Assert.True(first.Differences is { Complete: true, Mismatched.Count: 0 });
    }

    [Fact]
    public void Models_that_share_names_and_shapes_all_fit()
    {
        using var scope = new Scope();
        var complete = Saved(Create("deit_tiny_patch16_224").StateDict()).Where(fit => fit.Kind == FitKind.Complete);
        Assert.Equal(["vit_tiny_patch16_224", "deit_tiny_patch16_224"], complete.Select(fit => fit.Model).OrderDescending());
    }

    [Theory]
    [InlineData("vit_mini_patch4_32", 7, 3, 32)]
    [InlineData("vit_mini_patch4_32", 10, 1, 32)]
    [InlineData("vit_mini_patch4_32", 10, 3, 48)]
    [InlineData("vit_mini_patch4_32", 5, 1, 24)]
    [InlineData("cct_7_3x1_32", 5, 1, 28)]
    public void Another_number_of_classes_or_channels_or_another_size_is_told(string name, int classes, int channels, int size)
    {
        using var scope = new Scope();
        var own = Create(name);
        var state = Create(
                name,
                new()
                {
                    Classes = classes,
                    Channels = channels,
                    ImageSize = (size, size),
                }
            )
            .StateDict();
        var fit = Saved(state, [Registry.Get(name)])[0];
        Assert.Equal((name, FitKind.WithOptions), (fit.Model, fit.Kind));
        Assert.Equal(classes == own.Classes ? null : classes, fit.Classes);
        Assert.Equal(channels == 3 ? null : channels, fit.Channels);
        Assert.Equal(size != 32, fit.Resized.Count > 0);
    }

    [Fact]
    public void Weights_without_a_classifier_fit()
    {
        using var scope = new Scope();
        var model = Create("vit_mini_patch4_32");
        var fit = Saved(model.StateDict().Where(entry => !model.ClassifierNames.Contains(entry.Key)))[0];
        Assert.Equal(("vit_mini_patch4_32", FitKind.WithOptions, 0), (fit.Model, fit.Kind, fit.Classes));
    }

    [Fact]
    public void Names_of_another_library_over_shapes_that_do_not_go_together_are_no_error()
    {
        using var scope = new Scope();
        Tensor[] parts = [Torch.Zeros([4, 4]), Torch.Zeros([4, 3]), Torch.Zeros([2])];
        string[] names = ["query", "key", "value"];
        Assert.DoesNotContain(
            Saved(names.Zip(parts, (name, part) => KeyValuePair.Create($"encoder.layer.0.attention.attention.{name}.weight", part))),
            fit => fit.Kind != FitKind.Partial
        );
    }

    [Fact]
    public void Where_none_fits_the_nearest_comes_first_with_what_differs()
    {
        using var scope = new Scope();
        var state = new OrderedDictionary<string, Tensor>(Create("vit_mini_patch4_32").StateDict());
        state.Remove("blocks.0.norm1.bias");
        state["more"] = Torch.Zeros(1);
        var fit = Saved(state)[0];
        Assert.Equal(("vit_mini_patch4_32", FitKind.Partial, 2), (fit.Model, fit.Kind, fit.Differing));
        Assert.Equal(["blocks.0.norm1.bias"], fit.Differences.Missing);
        Assert.Equal(["more"], fit.Differences.Unexpected);
        Assert.Empty(Saved([KeyValuePair.Create("nothing.of.ours", Torch.Zeros(1))]));
    }

    public static TheoryData<string> Structures => [.. Reduced.Names];

    [Theory]
    [MemberData(nameof(Structures))]
    public void Every_structure_fits_its_own_weights_without_their_values(string name)
    {
        using var scope = new Scope();
        var model = Reduced.Create(name);
        var fit = ModelFits.Of(name, model, WeightShapes.Of(model));
        Assert.True(fit.Kind == FitKind.Complete, $"{fit.Kind}: {fit.Differences}");
        Assert.InRange(fit.Agreeing, 1, model.StateDict().Count);
    }

    [Fact]
    public void A_search_leaves_no_tensor_behind_and_ends_when_it_is_asked_to()
    {
        WeightShapes weights;
        using (new Scope())
            weights = WeightShapes.Of(Create("vit_mini_patch4_32"));
        var before = LiveTensors.Settled();
        Assert.NotEmpty(ModelFits.Find(weights, some));
        Assert.Equal(before, LiveTensors.Settled());
        using var ended = new CancellationTokenSource();
        ended.Cancel();
        Assert.Throws<OperationCanceledException>(() => ModelFits.Find(weights, some, ended.Token));
    }

    private static NamedWeights Bring(string path, Variant variant)
    {
        using var file = Checkpoint.Open(path);
        return ModelNames.Bring(file, file.FindStateDict(), variant);
    }

    [Fact]
    public void Arrays_of_JAX_take_a_models_names_and_keep_their_positions_and_classes()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var own = new Vit.Config(ImageSize: (8, 8), Patch: 4, Dim: 24, Depth: 2, Heads: 3, Classes: 5);
        var larger = new Vit(own with { ImageSize = (16, 16), Classes = 7 });
        NumpyArchive.Write(folder["w.npz"], NumpyArchive.OfVit(larger, newer: true));
        var variant = new Variant("small", "", _ => new Vit(own), ImageSize: 8);
        using (var file = Checkpoint.Open(folder["w.npz"]))
        {
            var fit = ModelFits.Of(variant, WeightShapes.Of(file, file.FindStateDict()));
            Assert.Equal((FitKind.WithOptions, 7, 1), (fit.Kind, fit.Classes, fit.Resized.Count));
        }
        var named = Bring(folder["w.npz"], variant);
        Assert.Equal(larger.StateDict().Keys.Order(StringComparer.Ordinal), named.Tensors.Keys.Order(StringComparer.Ordinal));
        Assert.All(larger.StateDict(), entry => Assert.True(entry.Value.Equal(named.Tensors[entry.Key]), entry.Key));
        Assert.Contains(named.Notes, note => note.Contains("pos_embed", StringComparison.Ordinal));
        // What was written loads into a model of the file's size and, resampled, into one of another.
        larger.LoadStateDict(named.Tensors);
        Pretrained.Load(new Vit(own), named.Tensors, new() { ReplaceHead = true });
    }

    [Fact]
    public void Weights_take_a_models_names_only_where_they_fit_it()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var variant = Registry.Get("vit_mini_patch4_32");
        var model = Registry.Create(variant.Name);
        Checkpoint.SaveSafetensors(
            folder["w.safetensors"],
            model.StateDict().Select(entry => KeyValuePair.Create("model." + entry.Key, entry.Value)).ToCheckpoint()
        );
        var named = Bring(folder["w.safetensors"], variant);
        Assert.All(model.StateDict(), entry => Assert.True(entry.Value.Equal(named.Tensors[entry.Key]), entry.Key));
        Assert.Contains("'model.'", Assert.Single(named.Notes), StringComparison.Ordinal);
        Assert.Throws<StateDictException>(() => Bring(folder["w.safetensors"], Registry.Get("cct_2_3x2_32")));
    }

    [Fact]
    public void Values_that_a_model_puts_in_itself_are_not_taken_for_the_files()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var variant = Registry.All.First(one => one.Name.StartsWith("dynamicvit", StringComparison.Ordinal));
        var model = Create(variant.Name);
        var state = model.StateDict().Where(entry => !entry.Key.StartsWith("score_predictor", StringComparison.Ordinal)).ToArray();
        Assert.NotEqual(state.Length, model.StateDict().Count);
        Checkpoint.SaveSafetensors(folder["w.safetensors"], state.ToCheckpoint());
        Assert.Equal(state.Length, Bring(folder["w.safetensors"], variant).Tensors.Count);
    }
}
