using Tessera.Testing;

namespace Tessera.Tests;

public sealed class AutogradTests : LiveTensors
{
    private static Tensor Leaf(params double[] values)
    {
        var leaf = Tensor.From(values);
        leaf.RequiresGrad = true;
        return leaf;
    }

    [Fact]
    public void Backward_fills_the_gradients_of_leaves_and_adds_up()
    {
        var x = Leaf(1, 2, 3);
        (x * x).Sum().Backward();
        Near.Values(x.Grad!, 0, 2, 4, 6);
        (x * x).Sum().Backward();
        Near.Values(x.Grad!, 0, 4, 8, 12);
        x.Grad = null;
        Assert.Null(x.Grad);
    }

    [Fact]
    public void Backward_takes_the_gradient_of_the_output()
    {
        var x = Leaf(1, 2);
        (x * 3).Backward(Tensor.From([1.0, 10.0]));
        Near.Values(x.Grad!, 0, 3, 30);
        Assert.ThrowsAny<TorchException>(() => (x * 3).Backward());
        Assert.ThrowsAny<TorchException>(() => (x * 3).Backward(Tensor.From([1.0])));
    }

    [Fact]
    public void Several_outputs_at_once()
    {
        var x = Leaf(2);
        Autograd.Backward([(x * x).Sum(), x * 5], [null, Tensor.From([2.0])]);
        Near.Values(x.Grad!, 0, 14);
        Assert.Throws<ArgumentException>(() => Autograd.Backward([x, x], [null]));
    }

    [Fact]
    public void Grad_leaves_the_leaves_alone()
    {
        var x = Leaf(1, 2);
        var gradient = Autograd.Grad([(x * x * x).Sum()], [x])[0]!;
        Near.Values(gradient, 0, 3, 12);
        Assert.Null(x.Grad);
        Assert.False(gradient.RequiresGrad);
    }

    [Fact]
    public void Second_and_third_derivatives()
    {
        var x = Leaf(2, 3);
        var first = Autograd.Grad([x.Pow(4).Sum()], [x], createGraph: true)[0]!;
        var second = Autograd.Grad([first.Sum()], [x], createGraph: true)[0]!;
        var third = Autograd.Grad([second.Sum()], [x])[0]!;
        Near.Values(first.Detach(), 1e-12, 32, 108);
        Near.Values(second.Detach(), 1e-12, 48, 108);
        Near.Values(third, 1e-12, 48, 72);
    }

    [Fact]
    public void An_unused_input_is_an_error_unless_allowed()
    {
        var (x, unused) = (Leaf(1), Leaf(1));
        var y = x * 2;
        Assert.ThrowsAny<TorchException>(() => Autograd.Grad([y], [x, unused], retainGraph: true));
        var gradients = Autograd.Grad([y], [x, unused], allowUnused: true);
        Near.Values(gradients[0]!, 0, 2);
        Assert.Null(gradients[1]);
    }

    [Fact]
    public void A_graph_serves_once_unless_retained()
    {
        var x = Leaf(3);
        var y = (x * x).Sum();
        y.Backward(retainGraph: true);
        y.Backward();
        Near.Values(x.Grad!, 0, 12);
        Assert.Contains("second time", Assert.ThrowsAny<TorchException>(() => y.Backward()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Leaves_and_results()
    {
        var x = Leaf(1);
        var y = x * 2;
        Assert.True(x is { IsLeaf: true, RequiresGrad: true });
        Assert.True(y is { IsLeaf: false, RequiresGrad: true });
        Assert.False(y.Detach().RequiresGrad);
        Assert.ThrowsAny<TorchException>(() => y.RequiresGrad = false);
        Assert.ThrowsAny<TorchException>(() => Tensor.From([1L]).RequiresGrad = true);
        Assert.ThrowsAny<TorchException>(() => x.Add_(1));
    }

    [Fact]
    public void A_gradient_that_does_not_fit_is_refused()
    {
        var x = Leaf(1, 2);
        var error = Assert.Throws<ShapeException>(() => x.Grad = Tensor.From([1.0, 2, 3]));
        Assert.Contains("[3]", error.Message, StringComparison.Ordinal);
        Assert.Contains("[2]", error.Message, StringComparison.Ordinal);
        Assert.Throws<TorchTypeException>(() => x.Grad = Tensor.From([1f, 2f]));
        x.Grad = Tensor.From([5.0, 6.0]);
        Near.Values(x.Grad!, 0, 5, 6);
    }

    [Fact]
    public void Intermediates_that_left_their_scope_stay_in_the_graph()
    {
        var x = Leaf(1, 2);
        var loss = Torch.Scope(() =>
        {
            var hidden = x.Exp();
            return (hidden * hidden).Sum();
        });
        loss.Backward();
        Near.Values(x.Grad!, 1e-12, 2 * Math.Exp(2), 2 * Math.Exp(4));
    }

    [Fact]
    public void A_saved_tensor_changed_in_place_is_noticed()
    {
        var x = Leaf(1, 2);
        var y = x.Exp();
        y.Add_(1);
        Assert.Contains("inplace", Assert.ThrowsAny<TorchException>(() => y.Sum().Backward()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Hooks_see_and_replace_gradients_and_can_be_removed()
    {
        var x = Leaf(1, 2);
        var seen = new List<double[]>();
        var see = x.OnGradient(g =>
        {
            seen.Add(g.ToArray<double>());
            return null;
        });
        (x * 3).Sum().Backward();
        Assert.Equal([3.0, 3.0], Assert.Single(seen));
        see.Dispose();
        see.Dispose();

        x.Grad = null;
        using (x.OnGradient(g => g * 10))
            (x * 3).Sum().Backward();
        Near.Values(x.Grad!, 0, 30, 30);
        Assert.Single(seen);

        x.Grad = null;
        (x * 3).Sum().Backward();
        Near.Values(x.Grad!, 0, 3, 3);
    }

    [Fact]
    public void Hooks_on_intermediates()
    {
        var x = Leaf(2);
        var y = x * x;
        double? seen = null;
        y.OnGradient(g =>
        {
            seen = g.ToDouble();
            return g * 2;
        });
        (y * 5).Sum().Backward();
        Assert.Equal(5, seen);
        Near.Values(x.Grad!, 0, 40);
    }

    [Fact]
    public void What_a_hook_throws_comes_out_as_the_cause()
    {
        var x = Leaf(1);
        x.OnGradient(_ => throw new InvalidDataException("by the hook"));
        var error = Assert.Throws<TorchException>(() => (x * 2).Sum().Backward());
        Assert.Equal("by the hook", Assert.IsType<InvalidDataException>(error.InnerException).Message);
        Assert.ThrowsAny<TorchException>(() => Tensor.From([1.0]).OnGradient(g => g));
    }

    [Fact]
    public void Causes_go_to_the_thread_whose_backward_failed() =>
        Parallel.For(0, 32, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            using var scope = Torch.Scope();
            var x = Leaf(1);
            x.OnGradient(_ => throw new InvalidDataException($"hook {i}"));
            var shapes = Assert.Throws<ShapeException>(() => Torch.Zeros(2) + Torch.Zeros(3));
            Assert.Null(shapes.InnerException);
            var error = Assert.Throws<TorchException>(() => (x * 2).Sum().Backward());
            Assert.Equal($"hook {i}", error.InnerException!.Message);
        });

    [Fact]
    public void A_freed_hook_lets_go_of_what_it_held()
    {
        var held = HookedOnATensorThatIsDropped();
        Torch.Collect();
        Torch.Collect();
        Assert.False(held.IsAlive);
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static WeakReference HookedOnATensorThatIsDropped()
    {
        var state = new object();
        using var x = Leaf(1);
        x.OnGradient(g =>
        {
            GC.KeepAlive(state);
            return g;
        });
        return new WeakReference(state);
    }
}
