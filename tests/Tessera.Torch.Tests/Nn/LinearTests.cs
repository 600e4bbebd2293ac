using Tessera.Testing;

namespace Tessera.Tests.Nn;

/// <summary>Linear maps of the shim (native/linear.cpp) against the same in elementary operations and float64.</summary>
public sealed class LinearTests : LiveTensors
{
    private static Tensor Plain(Tensor x, Tensor weight, Tensor? bias) => bias is null ? x.Matmul(weight.T()) : x.Matmul(weight.T()) + bias;

    private static (Tensor Result, Tensor[] Gradients) Differentiated(
        Tensor?[] inputs,
        Tensor direction,
        DType type,
        Func<Tensor, Tensor, Tensor?, Tensor> linear
    )
    {
        // Detached copies in the same memory order.
        var own = inputs
            .Select(x =>
                (
                    x is null ? null
                    : x.DType == type ? x.Detach().Clone()
                    : x.Detach().To(type)
                )?.RequiresGrad_()
            )
            .ToArray();
        var result = linear(own[0]!, own[1]!, own[2]);
        result.Backward(direction.To(type));
        return (result.Detach(), [.. own.OfType<Tensor>().Select(x => x.Grad!)]);
    }

    private static void Agree(Tensor?[] inputs, Tensor direction)
    {
        var (expected, gradients) = Differentiated(inputs, direction, DType.Float64, Plain);
        var (actual, own) = Differentiated(inputs, direction, DType.Float32, Torch.Linear);
        Near.Equal(expected, actual.To(DType.Float64), 1e-5);
        foreach (var (a, b) in gradients.Zip(own))
            Near.Equal(a, b.To(DType.Float64), 2e-5);
    }

    [Theory]
    [InlineData(64, 65, 192, 576, true)]
    [InlineData(2, 17, 16, 16, true)] // the smallest
    [InlineData(3, 31, 100, 37, true)] // nothing is a multiple of anything
    [InlineData(1, 200, 1300, 70, false)] // three blocks of depth
    [InlineData(7, 5, 1025, 129, true)]
    [InlineData(2, 3, 8, 4, true)] // the engine's
    public void Values_and_gradients_are_those_of_the_plain_form(int batch, int tokens, int inputs, int outputs, bool bias)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        // Sums of as many terms as there are inputs or rows, of size one.
        var (x, weight) = (Torch.Randn([batch, tokens, inputs]) / Math.Sqrt(inputs), Torch.Randn([outputs, inputs]));
        Agree(
            [x, weight, bias ? Torch.Randn(outputs) : null],
            Torch.Randn([batch, tokens, outputs]) / Math.Sqrt(Math.Max(outputs, batch * tokens))
        );
    }

    [Fact]
    public void Inputs_weights_and_gradients_may_lie_in_any_order()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var x = Torch.Randn([4, 48, 33]).Transpose(1, 2); // [B, N, C], channels apart
        var weight = Torch.Randn([48, 40]).T();
        Agree([x / 7, weight, Torch.Randn(80)[..40]], Torch.Randn([4, 40, 33]).Transpose(1, 2) / 12);
        Agree([x[.., 1..] / 7, Torch.Randn([40, 96])[.., 48..], null], Torch.Ones(1).Expand([4, 32, 40]));
    }

    [Fact]
    public void Results_do_not_depend_on_the_number_of_threads()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var threads = Torch.Threads;
        var (x, weight, bias) = (Torch.Randn([130, 96]), Torch.Randn([200, 96]), Torch.Randn(200));
        try
        {
            Tensor With(int count)
            {
                Torch.Threads = count;
                return Torch.Linear(x, weight, bias);
            }
            Near.Identical(With(1), With(2));
            Near.Identical(With(1), With(5));
        }
        finally
        {
            Torch.Threads = threads;
        }
    }

    [Fact]
    public void Only_gradients_that_are_wanted_are_computed()
    {
        using var scope = Torch.Scope();
        var (x, weight, bias) = (Torch.Ones([40, 32]).RequiresGrad_(), Torch.Ones([24, 32]), Torch.Ones(24).RequiresGrad_());
        Torch.Linear(x, weight, bias).Sum().Backward();
        Near.Equal(Torch.Full([40, 32], 24f), x.Grad!, 0);
        Near.Equal(Torch.Full([24], 40f), bias.Grad!, 0);
        Assert.Null(weight.Grad);
    }

    [Fact]
    public void Gradients_of_gradients_agree()
    {
        using var scope = Torch.Scope();
        Tensor Curvature(DType type)
        {
            Torch.Seed(4);
            var (x, weight) = (Torch.Randn([33, 20]).To(type).RequiresGrad_(), Torch.Randn([16, 20]).To(type).RequiresGrad_());
            var gradients = Autograd.Grad([Torch.Linear(x, weight).Square().Mean()], [x, weight], createGraph: true);
            (gradients[0]!.Square().Sum() + gradients[1]!.Square().Sum()).Backward();
            return Torch.Cat([x.Grad!, weight.Grad!]).To(DType.Float64);
        }
        Near.Equal(Curvature(DType.Float64), Curvature(DType.Float32), 1e-4);
    }

    [Fact]
    public void Within_autocast_it_is_shortened_as_before()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var (x, weight) = (Torch.Randn([64, 32]).RequiresGrad_(), Torch.Randn([48, 32]).RequiresGrad_());
        Tensor shortened;
        using (Torch.Autocast())
            shortened = Torch.Linear(x, weight);
        Assert.Equal(DType.BFloat16, shortened.DType);
        shortened.To(DType.Float32).Sum().Backward();
        Assert.Equal(DType.Float32, weight.Grad!.DType);
        Near.Equal(Torch.Linear(x, weight).Detach(), shortened.Detach().To(DType.Float32), 0.2);
    }

    [Fact]
    public void What_changes_in_place_before_the_backward_is_noticed()
    {
        using var scope = Torch.Scope();
        var (x, weight) = (Torch.Ones([64, 32]).RequiresGrad_(), Torch.Ones([48, 32]).RequiresGrad_());
        var result = Torch.Linear(x, weight).Sum();
        using (Torch.NoGrad())
            weight.Add_(1);
        Assert.Contains("inplace", Assert.ThrowsAny<TorchException>(() => result.Backward()).Message, StringComparison.Ordinal);
    }
}
