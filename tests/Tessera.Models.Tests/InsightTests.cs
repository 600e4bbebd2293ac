using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>What models of every kind show of how they see an image.</summary>
public class InsightTests : LiveTensors
{
    [Theory]
    [InlineData("vit_tiny_patch16_224", "class token, block 1", "class token, block 2")]
    [InlineData("deit_tiny_distilled_patch16_224", "class token, block 1", "token 2, block 1", "class token, block 2", "token 2, block 2")]
    [InlineData("vit_2_4_32", "class token, block 1", "class token, block 2")]
    [InlineData("lvvit_t", "class token, block 1", "class token, block 2")]
    [InlineData("t2t_vit_7", "class token, block 1", "class token, block 2")]
    [InlineData("sot_tiny", "class token, block 1")]
    [InlineData("dhvt_tiny_cifar_patch4", "class token, block 1", "class token, block 2")]
    [InlineData("xcit_nano_12_p16", "class token, block 1", "class token, block 2")]
    [InlineData("cvt_13", "class token, block 1")]
    [InlineData("pvt_tiny", "class token, block 1")]
    [InlineData("cct_2_3x2_32", "sequence pooling")]
    [InlineData(
        "swin_tiny_patch4_window7_224",
        "windows, stage 1",
        "shifted windows, stage 1",
        "windows, stage 2",
        "shifted windows, stage 2"
    )]
    [InlineData(
        "cswin_tiny_224",
        "upright stripes, stage 2",
        "level stripes, stage 2",
        "upright stripes, stage 3",
        "level stripes, stage 3",
        "stage 4"
    )]
    [InlineData("dynamicvit_deit_256_07", "kept by stage 1", "kept by stage 2", "kept by stage 3", "class token, block 1")]
    [InlineData("vt_resnet18", "visual token 1", "visual token 2", "visual token 3", "visual token 4")]
    [InlineData("revcol_tiny", "column 1", "column 2", "column 3", "column 4")]
    [InlineData("mixer_s32_224", "mixing, block 1", "mixing, block 2", "features of stride 4")]
    [InlineData("gmlp_ti16_224", "mixing, block 1", "mixing, block 2", "features of stride 4")]
    [InlineData("resmlp_12_224", "mixing, block 1", "mixing, block 2", "features of stride 4")]
    [InlineData("resnet18", "features of stride 4", "features of stride 8", "features of stride 16", "features of stride 32")]
    [InlineData(
        "internimage_t",
        "points, level 1",
        "points, level 2",
        "points, level 3",
        "points, level 4",
        "features of stride 4",
        "features of stride 8",
        "features of stride 16",
        "features of stride 32"
    )]
    public void Each_kind_shows_what_is_its_own(string name, params string[] expected) =>
        Assert.Equal(expected, Explained(name).Insights.Select(insight => insight.Name));

    [Theory]
    [InlineData("swin_tiny_patch4_window7_224")]
    [InlineData("cswin_tiny_224")]
    public void Windows_cover_the_image_once_and_each_holds_all_of_its_attention(string name)
    {
        foreach (var insight in Explained(name).Insights.Where(i => i.Areas.Count > 0))
        {
            Assert.Equal(1, insight.Areas.Sum(area => (area.Right - area.Left) * (area.Bottom - area.Top)), 1e-9);
            foreach (var area in insight.Areas.Where(_ => !insight.Name.StartsWith("shifted", StringComparison.Ordinal)))
                Assert.Equal(1, Within(insight, area), 1e-5);
            // Those that a shift cuts at the border belong to the ones on the other side.
            Assert.Equal(Math.Round(insight.Values.Sum()), insight.Values.Sum(), 1e-4);
        }
    }

    private static double Within(Insight insight, Insight.Area area) =>
        Enumerable
            .Range(0, insight.Values.Length)
            .Where(i =>
                ((i % insight.Width) + 0.5) / insight.Width is var x
                && ((i / insight.Width) + 0.5) / insight.Height is var y
                && x > area.Left
                && x < area.Right
                && y > area.Top
                && y < area.Bottom
            )
            .Sum(i => insight.Values[i]);

    [Fact]
    public void Stages_of_DynamicViT_keep_ever_fewer_of_the_same_tokens()
    {
        var (model, insights) = Explained("dynamicvit_deit_256_07");
        var kept = insights.Where(i => i.IsPresence).ToArray();
        Assert.Equal(Enumerable.Range(0, 3).Select(((DynamicVit)model).Kept), kept.Select(i => (int)i.Values.Sum()));
        for (var stage = 1; stage < kept.Length; stage++)
            Assert.All(kept[stage].Values.Zip(kept[stage - 1].Values), pair => Assert.True(pair.First <= pair.Second));
    }

    [Fact]
    public void Untrained_deformable_convolutions_sample_their_kernels()
    {
        // The last level of a 32 x 64 image is 1 x 2: a kernel's points lie whole maps apart.
        var points = Explained("internimage_t").Insights.Single(i => i.Name == "points, level 4").Places;
        Assert.Equal(1 + 16 * 9, points.Count);
        Assert.Equal((0.75, 0.5), (points[0].X, points[0].Y));
        Assert.Equal([0.25, 0.75, 1.25], points.Skip(1).Select(p => Math.Round(p.X, 6)).Distinct().Order());
        Assert.Equal(16, points.Skip(1).Sum(p => p.Weight), 1e-5);
    }

    [Theory]
    [InlineData("cct_2_3x2_32")]
    [InlineData("vt_resnet18")]
    public void Weights_of_pooling_sum_to_one(string name) =>
        Assert.All(Explained(name).Insights, insight => Assert.Equal(1, insight.Values.Sum(), 1e-5));

    private static (Backbone Model, IReadOnlyList<Insight> Insights) Explained(string name)
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var model = Reduced.Create(name);
        model.Eval();
        return (model, model.Explain(Torch.Randn([1, model.Channels, model.ImageSize.Height, model.ImageSize.Width])));
    }
}
