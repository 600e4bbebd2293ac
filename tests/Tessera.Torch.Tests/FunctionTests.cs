using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Tessera.Testing;

namespace Tessera.Tests;

/// <summary>Differentiable functions written in C#.</summary>
public sealed class FunctionTests : LiveTensors
{
    private static Tensor Leaf(params double[] values)
    {
        var leaf = Tensor.From(values);
        leaf.RequiresGrad = true;
        return leaf;
    }

    private sealed class Product : Function
    {
        internal bool[]? Needed;

        protected override Tensor[] Forward(Context context, Tensor[] inputs)
        {
            context.Save(inputs);
            return [inputs[0] * inputs[1]];
        }

        protected override Tensor?[] Backward(Context context, Tensor?[] gradients)
        {
            Needed = [context.Needs(0), context.Needs(1)];
            return [context.Needs(0) ? gradients[0]! * context.Saved(1) : null, context.Needs(1) ? gradients[0]! * context.Saved(0) : null];
        }
    }

    private sealed class Exponential : Function
    {
        protected override Tensor[] Forward(Context context, Tensor[] inputs)
        {
            var result = inputs[0].Exp();
            context.Save(result);
            return [result];
        }

        protected override Tensor?[] Backward(Context context, Tensor?[] gradients) => [gradients[0]! * context.Saved(0)];
    }

    private sealed class Split : Function
    {
        internal bool[]? Given;

        protected override Tensor[] Forward(Context context, Tensor[] inputs)
        {
            Tensor[] outputs = [inputs[0] * 2, inputs[0] * 3, inputs[0].Round(), inputs[0] > 0];
            context.MarkConstant(outputs[2]);
            return outputs;
        }

        protected override Tensor?[] Backward(Context context, Tensor?[] gradients)
        {
            Given = [.. gradients.Select(g => g is not null)];
            var sum = gradients[0] is { } first ? first * 2 : null;
            return
            [
                gradients[1] is { } second
                    ? sum is null
                        ? second * 3
                        : sum + second * 3
                    : sum,
            ];
        }
    }

    private sealed class Failing(Func<Tensor?[]> body) : Function
    {
        protected override Tensor[] Forward(Context context, Tensor[] inputs) => [inputs[0] + 0];

        protected override Tensor?[] Backward(Context context, Tensor?[] gradients) => body();
    }

    private sealed class PassThrough : Function
    {
        protected override Tensor[] Forward(Context context, Tensor[] inputs) => [inputs[0]];

        protected override Tensor?[] Backward(Context context, Tensor?[] gradients) => [gradients[0]! * 7];
    }

    [Fact]
    public void Gradients_are_what_backward_gives()
    {
        var (x, y) = (Leaf(1, 2), Leaf(3, 4));
        var product = new Product().Apply(x, y)[0];
        Near.Values(product.Detach(), 0, 3, 8);
        product.Sum().Backward();
        Near.Values(x.Grad!, 0, 3, 4);
        Near.Values(y.Grad!, 0, 1, 2);
    }

    [Fact]
    public void Gradients_agree_with_differences() =>
        GradientCheck.Holds(
            inputs => new Exponential().Apply(new Product().Apply(inputs[0], inputs[1])[0])[0],
            Leaf(0.1, 0.2, -0.3),
            Leaf(0.5, -0.6, 0.7)
        );

    [Fact]
    public void Second_derivatives_go_through_backward()
    {
        var (x, y) = (Leaf(2), Leaf(3));
        var first = Autograd.Grad([new Product().Apply(new Product().Apply(x, x)[0], y)[0].Sum()], [x], createGraph: true)[0]!;
        Near.Values(first.Detach(), 0, 12);
        Near.Values(Autograd.Grad([first.Sum()], [x])[0]!, 0, 6);

        var z = Leaf(0.5);
        var slope = Autograd.Grad([new Exponential().Apply(z)[0].Sum()], [z], createGraph: true)[0]!;
        Near.Values(Autograd.Grad([slope.Sum()], [z])[0]!, 1e-12, Math.Exp(0.5));
    }

    [Fact]
    public void Needs_says_which_inputs_want_a_gradient()
    {
        var function = new Product();
        var x = Leaf(1);
        function.Apply(x, Tensor.From([2.0]))[0].Sum().Backward();
        Assert.Equal([true, false], function.Needed!);
        Near.Values(x.Grad!, 0, 2);
    }

    [Fact]
    public void Outputs_without_influence_have_no_gradient_and_constant_ones_no_history()
    {
        var function = new Split();
        var x = Leaf(1.4, -2.6);
        var outputs = function.Apply(x);
        Assert.Equal([true, true, false, false], outputs.Select(o => o.RequiresGrad));
        outputs[1].Sum().Backward();
        Assert.Equal([false, true], function.Given!);
        Near.Values(x.Grad!, 0, 3, 3);
    }

    [Fact]
    public void Nothing_is_recorded_where_nothing_is_needed()
    {
        Assert.False(new Product().Apply(Tensor.From([1.0]), Tensor.From([1.0]))[0].RequiresGrad);
        var x = Leaf(1);
        using (Torch.NoGrad())
            Assert.False(new Product().Apply(x, x)[0].RequiresGrad);
    }

    [Fact]
    public void An_input_given_back_gets_a_history_of_its_own_and_can_be_changed_in_place()
    {
        var x = Leaf(1, -2);
        var y = new PassThrough().Apply(x * 1)[0];
        y.Relu_();
        y.Sum().Backward();
        Near.Values(x.Grad!, 0, 7, 0);
        Assert.True(x.IsLeaf);
    }

    [Fact]
    public void What_backward_throws_comes_out_as_the_cause()
    {
        var x = Leaf(1);
        var error = Assert.Throws<TorchException>(() =>
            new Failing(() => throw new InvalidDataException("by backward")).Apply(x)[0].Sum().Backward()
        );
        Assert.Equal("by backward", Assert.IsType<InvalidDataException>(error.InnerException).Message);
        Assert.Null(x.Grad);
        // The engine goes on working.
        (x * 2).Sum().Backward();
        Near.Values(x.Grad!, 0, 2);
    }

    [Fact]
    public void A_wrong_number_of_gradients_is_an_error_and_a_wrong_shape_too()
    {
        var x = Leaf(1, 2);
        var error = Assert.Throws<TorchException>(() => new Failing(() => [null, null]).Apply(x)[0].Sum().Backward());
        Assert.Contains("must return 1 gradients, one for each input, not 2", error.InnerException!.Message, StringComparison.Ordinal);
        Assert.ThrowsAny<TorchException>(() => new Failing(() => [Torch.Ones([3], DType.Float64)]).Apply(x)[0].Sum().Backward());
    }

    [Fact]
    public void A_second_pass_over_a_freed_graph_is_an_error_not_a_crash()
    {
        var x = Leaf(1);
        var y = new Product().Apply(x, x)[0].Sum();
        y.Backward();
        Assert.Contains("second time", Assert.ThrowsAny<TorchException>(() => y.Backward()).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_was_saved_is_freed_with_the_graph(bool backward)
    {
        var freed = 0;
        Run(backward, () => freed++);
        Torch.Collect();
        Assert.Equal(1, freed);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe void Run(bool backward, Action freed)
    {
        using var scope = Torch.Scope();
        var memory = NativeMemory.Alloc(16);
        var data = Tensor.Over(memory, [2], DType.Float64, () =>
        {
            NativeMemory.Free(memory);
            freed();
        });
        data.Fill_(1);
        var x = Leaf(1, 2);
        // The exponential saves its own output, the product its inputs: neither may hold itself alive.
        var y = new Exponential().Apply(new Product().Apply(x, data)[0])[0];
        if (backward)
            y.Sum().Backward();
    }
}
