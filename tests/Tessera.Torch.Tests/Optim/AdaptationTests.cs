using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests.Optim;

public sealed class AdaptationTests : LiveTensors
{
    private static Tensor Stepped(Func<ParameterGroup[], Optimizer> make, Tensor start, Tensor gradient, double decay)
    {
        var parameter = new Parameter(start.Clone());
        var optimizer = make([new([("p", parameter)], decay)]);
        parameter.Grad = gradient.Clone();
        optimizer.Step();
        return parameter.Detach();
    }

    [Theory]
    [InlineData(LarsForm.Timm)]
    [InlineData(LarsForm.Moco)]
    [InlineData(LarsForm.Simclr)]
    [InlineData(LarsForm.Popular)]
    public void The_first_step_of_lars_is_a_share_of_the_matrix_whatever_the_gradient(LarsForm form)
    {
        using var scope = Torch.Scope();
        var start = Torch.Randn([3, 4], DType.Float64);
        foreach (var size in new[] { 1e-5, 1.0, 1e5 })
        {
            // So little decay that it does not count beside the gradient.
            var moved = Stepped(g => new Lars(g, 2, form: form, eps: 0), start, Torch.Randn([3, 4], DType.Float64) * size, 1e-12) - start;
            Assert.Equal(2 * 0.001 * start.LinalgVectorNorm().ToDouble(), moved.LinalgVectorNorm().ToDouble(), 1e-8);
        }
    }

    [Theory]
    [InlineData(LarsForm.Moco)]
    [InlineData(LarsForm.Simclr)]
    [InlineData(LarsForm.Popular)]
    public void Vectors_take_the_plain_step_in_the_self_supervised_forms(LarsForm form)
    {
        using var scope = Torch.Scope();
        Near.Values(Stepped(g => new Lars(g, 0.5, form: form), Tensor.From([1.0, 2]), Tensor.From([0.2, -0.4]), 0.1), 1e-15, 0.9, 2.2);
    }

    [Theory]
    [InlineData(LarsForm.Timm)]
    [InlineData(LarsForm.Simclr)]
    [InlineData(LarsForm.Popular)]
    public void Nesterov_looks_ahead_by_the_momentum(LarsForm form)
    {
        using var scope = Torch.Scope();
        var (start, gradient) = (Torch.Randn([2, 3], DType.Float64), Torch.Randn([2, 3], DType.Float64));
        double Moved(bool nesterov) =>
            (Stepped(g => new Lars(g, 1, 0.5, form: form, nesterov: nesterov), start, gradient, 0.01) - start)
                .LinalgVectorNorm()
                .ToDouble();
        // The popular form scales what has been looked ahead to, and so takes the same first step.
        Assert.Equal(form == LarsForm.Popular ? 1 : 1.5, Moved(true) / Moved(false), 1e-9);
    }

    [Fact]
    public void A_matrix_of_zeros_is_not_stuck()
    {
        using var scope = Torch.Scope();
        Near.Values(
            Stepped(g => new Lars(g, 1), Torch.Zeros([1, 2], DType.Float64), Tensor.From([0.5, 0]).Reshape(1, 2), 0.1),
            1e-15,
            -0.5,
            0
        );
        Near.Values(
            Stepped(
                g => new Lamb(g, 0.1, eps: 0, maxNorm: null),
                Torch.Zeros([1, 2], DType.Float64),
                Tensor.From([0.5, -2]).Reshape(1, 2),
                0.1
            ),
            1e-12,
            -0.1,
            0.1
        );
    }

    [Fact]
    public void Lamb_limits_the_joint_norm_of_all_gradients()
    {
        using var scope = Torch.Scope();
        var (a, b) = (new Parameter(Torch.Zeros([1], DType.Float64)), new Parameter(Torch.Zeros([1], DType.Float64)));
        var optimizer = new Lamb([new([("a", a)]), new([("b", b)])], 0.1, maxNorm: 1);
        (a.Grad, b.Grad) = (Tensor.From([30.0]), Tensor.From([40.0]));
        optimizer.Step();
        Near.Values(optimizer.StateDict()["a/exp_avg"], 1e-12, 0.1 * 0.6);
        Near.Values(optimizer.StateDict()["b/exp_avg"], 1e-12, 0.1 * 0.8);
    }

    [Fact]
    public void Adam_decays_through_the_running_means_and_adamw_beside_them()
    {
        using var scope = Torch.Scope();
        // Without a gradient Adam takes a full step against the sign; AdamW only shrinks.
        Near.Values(
            Stepped(g => new Adam(g, 0.1, eps: 0), Tensor.From([2.0, -3]), Torch.Zeros([2], DType.Float64), 0.01),
            1e-12,
            1.9,
            -2.9
        );
        Near.Values(
            Stepped(g => new AdamW(g, 0.1), Tensor.From([2.0, -3]), Torch.Zeros([2], DType.Float64), 0.01),
            1e-12,
            2 * 0.999,
            -3 * 0.999
        );
    }
}
