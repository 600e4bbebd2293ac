using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public sealed class DescriptorTests : IDisposable
{
    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    public static TheoryData<string> Structures => [.. Reduced.Names];

    [Theory]
    [MemberData(nameof(Structures))]
    public void Every_structure_describes_images_by_every_pooling_that_it_has(string name)
    {
        Torch.Seed(1);
        var model = Reduced.Create(name);
        model.Eval();
        var input = Questions.Input(model, Device.Cpu);
        if (!model.TakesImages)
        {
            var refused = Assert.Throws<ArgumentException>(() => new Descriptor().Of(model, input));
            Assert.Contains("takes texts", refused.Message, StringComparison.Ordinal);
            return;
        }
        foreach (
            var pooling in Enum.GetValues<DescriptorPooling>().Where(pooling => pooling != DescriptorPooling.Cls || model.HasClassToken)
        )
        {
            var rows = new Descriptor(pooling).Of(model, input);
            Assert.Equal(2, rows.Size(0));
            Near.Values(rows.LinalgVectorNorm(2, [1]), 1e-5, 1, 1);
            // Gradients reach the weights.
            rows.Sum().Backward();
            Assert.Contains(model.Parameters(), parameter => parameter.Grad is not null);
        }
        if (model.HasClassToken)
            return;
        var error = Assert.Throws<ArgumentException>(() => new Descriptor(DescriptorPooling.Cls).Of(model, input));
        Assert.Contains(model.GetType().Name, error.Message, StringComparison.Ordinal);
    }

    private static Vit.Config Small => new((8, 8), 4, 6, 1, 2, Classes: 0);

    private static Tensor Images => Torch.Randn([2, 3, 8, 8]);

    [Fact]
    public void The_class_token_is_the_one_that_the_classifier_sees()
    {
        Torch.Seed(2);
        foreach (var model in (Vit[])[new(Small), new Deit(Small), new(Small with { RegisterTokens = 2 })])
        {
            var images = Images;
            Near.Equal(Unit(model.ForwardFeatures(images).Select(1, 0)), new Descriptor().Of(model, images));
        }
        // Registers, and a class token in which the classifier has no part, stand for nothing.
        foreach (
            var config in (Vit.Config[])[Small with { Pool = "avg" }, Small with { Pool = "avg", ClassToken = false, RegisterTokens = 2 }]
        )
        {
            var model = new Vit(config);
            var images = Images;
            Assert.False(model.HasClassToken);
            Near.Equal(Unit(model.ForwardEmbedding(images)), new Descriptor().Of(model, images));
        }
        Assert.False(new Sit(new((8, 8), 4, 6, 1, 2, Version: SitVersion.V1)).HasClassToken);
        Assert.True(new Sit(new((8, 8), 4, 6, 1, 2, Version: SitVersion.V2)).HasClassToken);
    }

    private static Tensor Unit(Tensor rows) => rows / rows.LinalgVectorNorm(2, [1], true);

    [Fact]
    public void Poolings_see_the_patches_alone()
    {
        Torch.Seed(3);
        var model = new Deit(Small);
        var images = Images;
        var patches = model.ForwardFeatures(images).Slice(1, 2);
        Near.Equal(Unit(patches.Mean([1])), new Descriptor(DescriptorPooling.Avg).Of(model, images));
        Near.Equal(Unit(patches.Amax([1])), new Descriptor(DescriptorPooling.Max).Of(model, images));
        var cubes = patches.ClampMin(1e-6).Pow(3).Mean([1]).Pow(1.0 / 3);
        Near.Equal(Unit(cubes), new Descriptor(DescriptorPooling.Gem).Of(model, images), 1e-5);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(1)]
    [InlineData(30)]
    [InlineData(100)]
    public void The_generalised_mean_of_any_power_has_numbers_and_gradients(double power)
    {
        Torch.Seed(4);
        var model = new Vit(Small);
        // All values of a channel are below the floor.
        using (Torch.NoGrad())
            model.StateDict()["norm.bias"].Copy_(Tensor.From<float>([-100, 1, 2, 3, 4, 5]));
        var rows = new Descriptor(DescriptorPooling.Gem, power).Of(model, Images);
        rows.Square().Select(1, 1).Sum().Backward();
        Assert.Equal(1, rows.Isfinite().All().ToDouble());
        Assert.All(model.Parameters().Where(parameter => parameter.Grad is not null), parameter =>
            Assert.Equal(1, parameter.Grad!.Isfinite().All().ToDouble())
        );
    }

    [Fact]
    public void The_generalised_mean_lies_between_the_mean_and_the_largest_value()
    {
        Torch.Seed(5);
        var model = new Vit(Small);
        model.To(dtype: DType.Float64);
        var images = Images.To(DType.Float64);
        using (Torch.NoGrad())
            model.StateDict()["norm.bias"].Fill_(5);
        Near.Equal(
            new Descriptor(DescriptorPooling.Avg).Of(model, images),
            new Descriptor(DescriptorPooling.Gem, 1).Of(model, images),
            1e-12
        );
        Near.Equal(
            new Descriptor(DescriptorPooling.Max).Of(model, images),
            new Descriptor(DescriptorPooling.Gem, 5000).Of(model, images),
            1e-3
        );
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    public void A_power_that_is_none_is_refused(double power) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new Descriptor(DescriptorPooling.Gem, power));
}
