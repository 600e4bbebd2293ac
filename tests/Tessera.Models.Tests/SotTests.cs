using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class SotTests : LiveTensors
{
    private static Tensor Matrices(params double[] values) =>
        Torch.Scope(() =>
        {
            var (u, _) = Torch.LinalgQr(Torch.Randn([3, values.Length, values.Length], dtype: DType.Float64));
            var (v, _) = Torch.LinalgQr(Torch.Randn([3, values.Length, values.Length], dtype: DType.Float64));
            return (u * Tensor.From(values)).Matmul(v.MT);
        });

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.8)]
    public void With_all_singular_values_it_is_the_power_of_the_decomposition(double power)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var layer = new SingularValuePower(5, iterations: 60, count: null, power);
        layer.To(dtype: DType.Float64);
        var matrices = Matrices(7, 4, 2, 1, 0.5);
        var (u, s, vt) = Torch.LinalgSvd(matrices, false);
        Near.Equal((u * s.Pow(power).Unsqueeze(1)).Matmul(vt), layer.Call(matrices), 1e-6);
    }

    [Fact]
    public void Gradients_flow_through_the_iteration_to_matrix_and_start()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var layer = new SingularValuePower(4, iterations: 2, count: 2);
        layer.To(dtype: DType.Float64);
        var matrices = Matrices(5, 3, 1, 0.4).Detach();
        matrices.RequiresGrad = true;
        GradientCheck.Holds(inputs => layer.Call(inputs[0]), matrices, layer.Parameters().Single());
    }

    [Fact]
    public void It_runs_in_float32_under_autocast_with_gradients()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var layer = new SingularValuePower(6);
        var matrices = Torch.Randn([2, 6, 6]);
        var exact = layer.Call(matrices);
        matrices.RequiresGrad = true;
        Tensor shortened,
            half;
        using (Torch.Autocast())
        {
            shortened = layer.Call(matrices);
            half = layer.Call(matrices.To(DType.BFloat16));
        }
        Near.Identical(exact.Detach(), shortened.Detach());
        Assert.Equal(DType.Float32, half.DType);
        half.Sum().Backward();
        Assert.True(matrices.Grad!.Abs().Sum().ToDouble() > 0);
        matrices.Grad = null;
        layer.ZeroGrad();
    }

    [Fact]
    public void Tokens_that_are_all_alike_give_finite_numbers_and_gradients()
    {
        using var scope = Torch.Scope();
        var head = new SecondOrderHead(new(8, 3, 2, 4));
        var tokens = Torch.Zeros([2, 5, 8]);
        tokens.RequiresGrad = true;
        var gradient = Autograd.Grad([head.Classify(head.Pool(tokens)).Sum()], [tokens])[0]!;
        Assert.True(gradient.Isfinite().All().ToArray<bool>()[0]);
    }

    [Fact]
    public void Newton_and_Schulz_find_the_square_root()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var factor = Torch.Randn([2, 4, 4], dtype: DType.Float64);
        var square = factor.Matmul(factor.MT) + Torch.Eye(4, DType.Float64);
        var root = SecondOrder.SquareRoot(square, 20);
        Near.Equal(square, root.Matmul(root), 1e-8);
        Near.Values(SecondOrder.UpperTriangle(Tensor.From<double>([1, 2, 3, 4], 1, 2, 2)), 0, 1, 2, 4);
    }

    [Fact]
    public void Two_losses_get_two_outputs_in_training_and_their_sum_predicts()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var model = new Sot(
            new Sot.Config(
                (56, 56),
                16,
                1,
                2,
                2,
                2,
                3,
                4,
                Tokens: VisualTokens.Style.Patches,
                Head: new(16, 4, 2, 3, SecondOrderHead.Fusion.Losses)
            )
        );
        var images = Torch.Randn([2, 3, 56, 56]);
        var outputs = model.Run(new(images));
        model.Eval();
        Near.Equal(outputs.Logits + outputs.Named[Sot.ByWords], model.Call(images), 1e-5);
    }

    [Theory]
    [InlineData(VisualTokens.Style.Dense, 64, 96)]
    [InlineData(VisualTokens.Style.Residual, 100, 64)]
    [InlineData(VisualTokens.Style.Inception, 68, 64)]
    public void Any_grid_has_its_table(VisualTokens.Style style, int height, int width)
    {
        using var scope = Torch.Scope();
        var model = new Sot(new Sot.Config((112, 112), 16, 1, 2, 2, 2, 3, 4, Tokens: style));
        model.Eval();
        Assert.Equal(new Shape(1, 197, 16), model.StateDict()["pos_embed"].Shape);
        model.Resize(height, width);
        model.ResetClassifier(6);
        var images = Torch.Randn([1, 3, height, width]);
        Assert.Equal(new Shape(1, 6), model.Call(images).Shape);
        Assert.Equal(new Shape(1, model.NumFeatures), model.ForwardHead(model.ForwardFeatures(images), preLogits: true).Shape);
        Assert.Equal(16, model.ForwardFeatureMaps(images)[0].Map.Size(1));
        Near.Equal(Torch.Ones([1]), model.AttentionMaps(images)["blocks.0.attn.attention"].Sum(-1)[0, 0, 0].Reshape(1), 1e-5);
    }
}
