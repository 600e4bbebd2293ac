using Tessera.Models;

namespace Tessera.Training.Tests;

public class ExplainTests
{
    [Fact]
    public void Rollout_is_the_product_of_the_blocks_as_the_class_token_reads_it()
    {
        using var scope = new Scope();
        var (model, image) = Build("deit_tiny_patch16_224", 64);
        var maps = model.AttentionMaps(image).Values.ToArray();
        var product = Torch.Eye(17);
        foreach (var map in maps)
            product = (map.Mean([1])[0] * 0.5 + Torch.Eye(17) * 0.5).Matmul(product);
        var row = product[0].Slice(0, 1).ToArray<double>();
        var rollout = AttentionRollout.Of(model, image)!;
        Assert.Equal((4, 4), (rollout.Height, rollout.Width));
        for (var i = 0; i < row.Length; i++)
            Assert.Equal((row[i] - row.Min()) / (row.Max() - row.Min()), rollout.Values[i], 1e-3);
    }

    [Theory]
    [InlineData("deit_tiny_patch16_224", true)]
    [InlineData("cct_2_3x2_32", true)]
    [InlineData("resnet18", false)]
    [InlineData("mixer_s16_224", false)]
    [InlineData("swin_tiny_patch4_window7_224", true)]
    [InlineData("pvt_tiny", true)]
    [InlineData("xcit_nano_12_p16", false)]
    public void Maps_of_models_of_every_kind_lie_over_the_image(string name, bool hasRollout)
    {
        using var scope = new Scope();
        var (model, image) = Build(name, null);
        var cam = GradCam.Of(model, image, 1);
        Assert.NotNull(cam);
        Assert.Equal(cam.Height, cam.Width);
        Assert.All(cam.Values, value => Assert.InRange(value, 0, 1));
        var rollout = AttentionRollout.Of(model, image);
        Assert.Equal(hasRollout, rollout is not null);
        if (rollout is not null)
            Assert.Equal((0.0, 1.0), (rollout.Values.Min(), rollout.Values.Max()));
    }

    private static (Backbone Model, Tensor Image) Build(string variant, int? side)
    {
        Torch.Seed(3);
        var model = Registry.Create(variant, new() { Classes = 5, ImageSize = side is { } s ? (s, s) : null });
        // Some papers begin with a classifier of zeros, of which nothing could be explained.
        foreach (var (name, value) in model.NamedParameters())
            if (model.ClassifierNames.Contains(name))
                Nn.Init.Normal(value, 0.02);
        model.Eval();
        return (model, Torch.Randn([1, model.Channels, model.ImageSize.Height, model.ImageSize.Width]));
    }
}
