using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class MlpTests
{
    private static readonly (int, int) size = (32, 32);

    private static Backbone Build(string family) =>
        family switch
        {
            "mixer" => new Mixer(new(size, 4, 24, 2, 5)),
            "gmixer" => new Mixer(new(size, 4, 24, 2, 5, TokenRatio: 1, Gated: true)),
            "resmlp" => new ResMlp(new(size, 4, 24, 2, 5)),
            "gmlp" => new GMlp(new(size, 4, 24, 2, 5)),
            "vip" => new Vip(new(size, 4, [1, 1], [24, 32], [8, 4], [true, false], [3, 3], 5)),
            "s2mlpv1" => new S2Mlp(new(size, [4, 2], [24, 32], [1, 1], [3, 3], false, 5)),
            "s2mlpv2" => new S2Mlp(new(size, [4, 2], [24, 32], [1, 1], [3, 3], true, 5)),
            "cyclemlp" => new CycleMlp(new(size, [1, 1], [24, 32], [4, 4], 5)),
            "asmlp" => new AsMlp(new(size, 24, [1, 1], Classes: 5)),
            "hiremlp" => new HireMlp(new(size, [2, 1], [24, 32], [4, 4], [3, 2], [2, 1], [1, 1], Classes: 5)),
            _ => throw new ArgumentOutOfRangeException(nameof(family)),
        };

    public static TheoryData<string> Families =>
        ["mixer", "gmixer", "resmlp", "gmlp", "vip", "s2mlpv1", "s2mlpv2", "cyclemlp", "asmlp", "hiremlp"];

    [Theory]
    [MemberData(nameof(Families))]
    public void Images_of_another_size_are_taken_after_a_change_of_size(string family)
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var model = Build(family);
        model.Eval();
        var tied = family is "mixer" or "gmixer" or "resmlp" or "gmlp" or "vip";
        var other = Torch.Randn([1, 3, 48, 64]);
        if (tied)
            Assert.Throws<ShapeException>(() => model.Call(other));
        else
            Assert.Equal(new Shape(1, 5), model.Call(other).Shape);
        model.Resize(48, 64);
        Assert.Equal((48, 64), model.ImageSize);
        Assert.Equal(new Shape(1, 5), model.Call(other).Shape);
    }

    [Theory]
    [InlineData("mixer")]
    [InlineData("gmixer")]
    [InlineData("resmlp")]
    [InlineData("gmlp")]
    public void Resampled_maps_over_tokens_keep_the_answer_to_a_constant_image(string family)
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var model = Build(family);
        // The same for every token, so that resampling has nothing to interpolate.
        using (Torch.NoGrad())
            foreach (var (name, tensor) in model.StateDict())
            {
                if (tensor.Dim == 2 && tensor.Size(1) == 64)
                    tensor.Copy_(tensor.Mean([1], keepdim: true).Expand(tensor.Shape.ToArray()));
                if (tensor.Size(0) == 64)
                    tensor.Copy_(tensor.Mean([0], keepdim: true).Expand(tensor.Shape.ToArray()));
                if (name == "head.weight")
                    tensor.Normal_();
            }
        model.Eval();
        var before = model.ForwardHead(model.ForwardFeatures(Torch.Ones([1, 3, 32, 32])), preLogits: true);
        model.Resize(48, 64);
        Near.Equal(before, model.ForwardHead(model.ForwardFeatures(Torch.Ones([1, 3, 48, 64])), preLogits: true), 1e-4);
    }

    [Fact]
    public void Weights_of_another_grid_are_resampled_when_a_checkpoint_asks_for_it()
    {
        using var scope = Torch.Scope();
        var source = new GMlp(new(size, 4, 24, 1, 5));
        var target = new GMlp(new((48, 48), 4, 24, 1, 5));
        IDictionary<string, Tensor> state = source.StateDict().ToDictionary(e => e.Key, e => e.Value);
        target.AdaptStateDict(state);
        target.LoadStateDict(state.AsReadOnly());
        Assert.Equal(new Shape(144, 144), target.StateDict()["blocks.0.mlp_channels.gate.proj.weight"].Shape);
    }

    [Fact]
    public void ResMLP_takes_the_names_of_its_authors()
    {
        using var scope = Torch.Scope();
        var model = new ResMlp(new(size, 4, 24, 1, 5));
        var theirs = model
            .StateDict()
            .ToDictionary(
                e =>
                    e.Key.Replace("stem.", "patch_embed.", StringComparison.Ordinal)
                        .Replace("linear_tokens.", "attn.", StringComparison.Ordinal)
                        .Replace("mlp_channels.", "mlp.", StringComparison.Ordinal)
                        .Replace(".ls", ".gamma_", StringComparison.Ordinal),
                e =>
                    e.Key.EndsWith("alpha", StringComparison.Ordinal) || e.Key.EndsWith("beta", StringComparison.Ordinal)
                        ? e.Value.Flatten()
                        : e.Value
            );
        Assert.Contains("blocks.0.gamma_1", theirs.Keys);
        model.AdaptStateDict(theirs);
        Assert.True(model.LoadStateDict(theirs).Complete);
    }

    // One block behind patches that do not overlap: what reaches the middle is the operator's own reach.
    [Theory]
    [InlineData("vip", 15 + 15 - 1)]
    [InlineData("s2mlpv1", 4 + 1)] // and itself by the residual
    [InlineData("s2mlpv2", 5)]
    [InlineData("asmlp", 9)]
    [InlineData("mixer", 225)]
    [InlineData("resmlp", 225)]
    public void The_measured_reach_is_that_of_the_table(string family, int tokens)
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        (int, int) image = (60, 60);
        Backbone model = family switch
        {
            "vip" => new Vip(new(image, 4, [1], [30], [15], [false], [3], 5)),
            "asmlp" => new AsMlp(new(image, 30, [1], Classes: 5)),
            "mixer" => new Mixer(new(image, 4, 24, 1, 5)),
            "resmlp" => new ResMlp(new(image, 4, 24, 1, 5)),
            _ => new S2Mlp(new(image, [4], [24], [1], [3], family == "s2mlpv2", 5)),
        };
        model.To(dtype: DType.Float64);
        var field = Assert.Single(ReceptiveField.Measure(model, 60, 60));
        Assert.Equal(tokens * 16, field.Pixels);
        Assert.Equal(tokens * 16 / 3600.0, field.Share);
        var own = SpatialOperator.Get(family).Cost(new(15, 15, 30)).Reach;
        Assert.Equal(tokens, own + (family == "s2mlpv1" ? 1 : 0));
    }

    [Fact]
    public void CycleMLP_reaches_one_position_along_each_axis()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var model = new CycleMlp(new((60, 60), [1], [24], [4], 5));
        model.To(dtype: DType.Float64);
        var field = Assert.Single(ReceptiveField.Measure(model, 60, 60));
        // Windows of 7 pixels every 4: three in a row span 15, in a cross 15 * 7 twice less the middle.
        Assert.Equal((15, 15), (field.Height, field.Width));
        Assert.Equal(2 * 15 * 7 - 7 * 7, field.Pixels);
    }

    [Fact]
    public void Costs_grow_with_the_resolution_as_the_survey_says()
    {
        var (small, large) = (new OperatorSizes(14, 14, 384), new OperatorSizes(28, 28, 384));
        (double Weights, double Macs) Growth(string name)
        {
            var (a, b) = (SpatialOperator.Get(name).Cost(small), SpatialOperator.Get(name).Cost(large));
            return ((double)b.Weights / a.Weights, (double)b.Macs / a.Macs);
        }

        Assert.Equal((16, 16), Growth("resmlp"));
        Assert.Equal(1, Growth("asmlp").Weights);
        Assert.Equal(4, Growth("asmlp").Macs);
        Assert.Equal(1, Growth("vip").Weights);
        Assert.InRange(Growth("vip").Macs, 3.9, 4);
        Assert.InRange(Growth("attention").Macs, 4, 16);
        Assert.All(SpatialOperator.All.Where(o => o.Traits.Kind == "spatial projection"), o => Assert.True(o.Traits.ResolutionSensitive));
    }

    [Fact]
    public void A_shift_fills_with_zeros_or_keeps_the_border()
    {
        using var scope = Torch.Scope();
        var x = Tensor.From([1f, 2, 3, 4], 1, 4);
        Near.Values(Shift.Zero(x, 1, 1), 0, 0, 1, 2, 3);
        Near.Values(Shift.Zero(x, 1, -2), 0, 3, 4, 0, 0);
        Near.Values(Shift.Zero(x, 1, 7), 0, 0, 0, 0, 0);
        Near.Values(Shift.Keep(x, 1, 1), 0, 1, 1, 2, 3);
        Near.Values(Shift.Keep(x, 1, -1), 0, 2, 3, 4, 4);
    }

    [Theory]
    [InlineData(HirePadding.Circular, HirePadding.Replicate)]
    [InlineData(HirePadding.Zero, HirePadding.Zero)]
    public void HireMLP_runs_with_every_padding_on_odd_maps(HirePadding step, HirePadding region)
    {
        using var scope = Torch.Scope();
        var model = new HireMlp(new((44, 36), [2], [8], [2], [4], [2], [1], step, region, 5));
        model.Eval();
        Assert.Equal(new Shape(1, 8, 11, 9), model.ForwardFeatures(Torch.Randn([1, 3, 44, 36])).Shape);
        Assert.Throws<ArgumentException>(() => new HireMlp(model.Options with { StepPadding = HirePadding.Replicate }));
    }
}
