using Tessera.Models;
using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class DynamicVitTests : LiveTensors
{
    private static DynamicVit Small(bool dense = false) =>
        new(
            new DynamicVit.Config(
                (32, 32),
                4,
                24,
                4,
                3,
                [1, 2, 3],
                [0.7, 0.49, 0.343],
                dense,
                dense ? 8 : 0,
                dense ? 2 : 1,
                !dense,
                Classes: 5
            )
        );

    [Fact]
    public void Tokens_are_really_removed_in_evaluation_and_the_result_repeats()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var model = Small();
        model.Eval();
        var images = Torch.Randn([2, 3, 32, 32]);
        Assert.Equal([65L, 45, 32, 22], model.ForwardIntermediates(images).Select(block => block.Size(1)));
        Near.Identical(model.Call(images), model.Call(images));
        Assert.Equal(new Shape(2, 24, 8, 8), model.ForwardFeatureMaps(images)[0].Map.Shape);
        Near.Equal(Torch.Ones([2, 3, 22]), model.AttentionMaps(images)["blocks.3.attn.attention"].Sum(-1), 1e-5);
    }

    [Fact]
    public void The_published_model_keeps_137_96_and_67_tokens()
    {
        using var scope = Torch.Scope();
        using var skipped = Init.Skip();
        var model = (DynamicVit)Registry.Create("dynamicvit_deit_s_07");
        Assert.Equal([137, 96, 67], Enumerable.Range(0, 3).Select(model.Kept));
    }

    [Fact]
    public void Dropping_tokens_saves_a_third_of_the_operations()
    {
        Assert.InRange(
            1 - Operations.Macs("dynamicvit_deit_256_07") / Operations.Macs("deit_tiny_patch16_224") * (192.0 * 192) / (256 * 256),
            0.25,
            0.45
        );
        Assert.InRange(1 - Operations.Macs("dynamicvit_lvvit_s_07") / Operations.Macs("lvvit_s"), 0.25, 0.40);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Masking_equals_removing(bool dense)
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var model = Small(dense);
        model.To(dtype: DType.Float64);
        foreach (var (name, module) in model.NamedModules())
            if (name.StartsWith("blocks", StringComparison.Ordinal) && module is Linear linear)
                Init.Normal(linear.Weight, 0.2);
        model.Eval();
        var images = Torch.Randn([2, 3, 32, 32]).To(DType.Float64);
        using var taps = new Taps(model, "position*", "normed");
        model.Call(images);
        // Noise that forces every stage's choice upon the masks. Batch norms keep their running statistics.
        var draws = Enumerable
            .Range(0, 3)
            .ToDictionary(DynamicVit.Gumbel, stage =>
            {
                var kept = Torch.Zeros([2, 64], DType.Float64).Scatter_(1, taps[$"position{stage}"], 1.0);
                return Torch.Stack([kept * 1e4, (1 - kept) * 1e4], 2);
            });
        model.Train();
        foreach (var (_, module) in model.NamedModules())
            if (module is BatchNorm)
                module.Eval();
        var outputs = model.Run(new(images) { Draws = draws });
        Near.Equal(model.ForwardClassifier(taps["normed"].Select(1, 0)), outputs.Logits, 1e-5);
        Assert.Equal(2 * 21, outputs.Named[DynamicVit.Mask].Round().Sum().ToInt64());
    }

    [Fact]
    public void Decisions_carry_gradients_to_the_predictors()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var model = Small();
        model.Run(new(Torch.Randn([2, 3, 32, 32]))).Logits.Square().Sum().Backward();
        var gradient = model.NamedParameters().First(p => p.Name == "score_predictor.0.out_conv.4.weight").Parameter.Grad;
        Assert.True(gradient!.Abs().Sum().ToDouble() > 0);
        model.ZeroGrad();
    }

    [Fact]
    public void Weights_of_the_plain_backbone_load_and_the_predictors_stay()
    {
        using var scope = Torch.Scope();
        var vit = new Vit(new Vit.Config((32, 32), 4, 24, 4, 3, 5));
        var model = Small();
        var predictor = model.StateDict()["score_predictor.1.in_conv.1.weight"].Clone();
        var report = model.Load(vit.StateDict());
        Assert.StartsWith("the weights lack score_predictor.0.", Assert.Single(report.Notes), StringComparison.Ordinal);
        Near.Identical(predictor, model.StateDict()["score_predictor.1.in_conv.1.weight"]);
        Near.Identical(vit.StateDict()["blocks.2.attn.qkv.weight"], model.StateDict()["blocks.2.attn.qkv.weight"]);
    }

    [Fact]
    public void An_image_without_any_token_left_gives_numbers()
    {
        using var scope = Torch.Scope();
        var model = Small();
        var none = Torch.Stack([Torch.Zeros([1, 64]), Torch.Full([1, 64], 1e4)], 2);
        var outputs = model.Run(
            new(Torch.Randn([1, 3, 32, 32])) { Draws = Enumerable.Range(0, 3).ToDictionary(DynamicVit.Gumbel, _ => none) }
        );
        Assert.True(outputs.Logits.Isfinite().All().ToArray<bool>()[0]);
    }
}
