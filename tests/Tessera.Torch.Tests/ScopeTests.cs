using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests;

/// <summary>Who frees what, and when.</summary>
public sealed class ScopeTests : LiveTensors
{
    [Fact]
    public void A_scope_frees_what_was_made_in_it()
    {
        var before = Tensor.LiveCount;
        Tensor x;
        using (Torch.Scope())
        {
            x = Torch.Zeros(3) + 1;
            Assert.Equal(before + 2, Tensor.LiveCount);
        }
        Assert.Equal(before, Tensor.LiveCount);
        Assert.False(x.IsAlive);
        Assert.Contains("freed", Assert.Throws<ObjectDisposedException>(() => x + 1).Message, StringComparison.Ordinal);
        Assert.Throws<ObjectDisposedException>(() => x.Shape);
        Assert.Throws<ObjectDisposedException>(() => Torch.Cat([x, x]));
    }

    [Fact]
    public void Nested_scopes_hand_results_outwards()
    {
        using var outer = Torch.Scope();
        var before = Tensor.LiveCount;
        Tensor kept,
            lost;
        using (var inner = Torch.Scope())
        {
            lost = Torch.Zeros(1);
            kept = inner.Return(Torch.Ones(1));
            Assert.Same(inner, Scope.Current);
        }
        Assert.Same(outer, Scope.Current);
        Assert.Equal(before + 1, Tensor.LiveCount);
        Assert.True(kept.IsAlive);
        Assert.False(lost.IsAlive);
        outer.Dispose();
        Assert.False(kept.IsAlive);
    }

    [Fact]
    public void What_an_outer_scope_owns_stays_there()
    {
        using var outer = Torch.Scope();
        var x = Torch.Ones(1);
        using (var inner = Torch.Scope())
            inner.Return(x);
        Assert.True(x.IsAlive);
    }

    private sealed record Pair(Tensor First, Tensor? Second) : ITensorBag
    {
        public IEnumerable<Tensor> Tensors => Second is null ? [First] : [First, Second];
    }

    private sealed class Opaque;

    public static TheoryData<string> Results =>
        [
            "tensor",
            "tuple",
            "big tuple",
            "nested tuple",
            "array",
            "nulls",
            "list",
            "lists",
            "dictionary",
            "ordered",
            "dictionary of lists",
            "bag",
            "bags",
            "enumerable",
        ];

    [Theory]
    [MemberData(nameof(Results))]
    public void Results_of_every_form_are_handed_on(string form)
    {
        using var outer = Torch.Scope();
        var made = new List<Tensor>();
        Tensor New()
        {
            made.Add(Torch.Ones(1));
            return made[^1];
        }

        var before = Tensor.LiveCount;
        var result = Torch.Scope<object>(() =>
        {
            _ = Torch.Zeros(5);
            return form switch
            {
                "tensor" => New(),
                "tuple" => (New(), New()),
                "big tuple" => (New(), 1, New(), "x", New(), 2.0, New(), New(), New()),
                "nested tuple" => (New(), (New(), new[] { New() })),
                "array" => new[] { New(), New() },
                "nulls" => new[] { New(), null },
                "list" => new List<Tensor> { New() },
                "lists" => new[]
                {
                    new List<Tensor> { New() },
                    [New(), New()],
                },
                "dictionary" => new Dictionary<string, Tensor> { ["a"] = New(), ["b"] = New() },
                "ordered" => new OrderedDictionary<string, Tensor> { ["a"] = New() },
                "dictionary of lists" => new Dictionary<int, Tensor[]> { [0] = [New(), New()] },
                "bag" => new Pair(New(), New()),
                "bags" => new[] { new Pair(New(), null), new Pair(New(), New()) },
                _ => new HashSet<Tensor> { New(), New() },
            };
        });
        Assert.NotNull(result);
        Assert.All(made, t => Assert.True(t.IsAlive));
        Assert.Equal(before + made.Count, Tensor.LiveCount);
    }

    [Fact]
    public void Results_without_tensors_pass_and_opaque_ones_are_refused()
    {
        Assert.Equal(3, Torch.Scope(() => 3));
        Assert.Equal("text", Torch.Scope(() => "text"));
        Assert.Null(Torch.Scope<Tensor?>(() => null));
        Assert.Contains(
            "Opaque",
            Assert.Throws<NotSupportedException>(() => Torch.Scope(() => new Opaque())).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void An_exception_frees_everything()
    {
        var before = Tensor.LiveCount;
        Assert.Throws<ShapeException>(() =>
        {
            using var scope = Torch.Scope();
            var x = Torch.Zeros(2);
            using var inner = Torch.Scope();
            return x + Torch.Zeros(3);
        });
        Assert.Equal(before, Tensor.LiveCount);
        Assert.Null(Scope.Current);
    }

    [Fact]
    public void Kept_tensors_outlive_all_scopes()
    {
        Tensor x;
        using (Torch.Scope())
        using (Torch.Scope())
            x = Torch.Ones(2).Keep();
        Near.Values(x, 0, 1, 1);
        x.Dispose();
    }

    [Fact]
    public void Disposing_twice_or_before_the_scope_ends_is_fine()
    {
        var before = Tensor.LiveCount;
        using (var scope = Torch.Scope())
        {
            var x = Torch.Ones(2);
            x.Dispose();
            x.Dispose();
            Assert.Equal(before, Tensor.LiveCount);
            scope.Dispose();
            scope.Dispose();
        }
        Assert.Equal(before, Tensor.LiveCount);
    }

    [Fact]
    public void Scopes_end_in_order_and_on_their_thread()
    {
        using var outer = Torch.Scope();
        using (var inner = Torch.Scope())
            Assert.Throws<InvalidOperationException>(outer.Dispose);
        Exception? elsewhere = null;
        var thread = new Thread(() => elsewhere = Record.Exception(outer.Dispose));
        thread.Start();
        thread.Join();
        Assert.IsType<InvalidOperationException>(elsewhere);
    }

    [Fact]
    public void Scopes_of_threads_do_not_see_each_other()
    {
        using var outer = Torch.Scope();
        Scope? seen = outer;
        var thread = new Thread(() => seen = Scope.Current);
        thread.Start();
        thread.Join();
        Assert.Null(seen);
    }

    [Fact]
    public void A_shared_tensor_has_a_life_of_its_own()
    {
        var x = Torch.Ones(2);
        var y = x.Share();
        x.Dispose();
        Near.Values(y, 0, 1, 1);
    }

    [Fact]
    public void Results_belong_to_the_module_call_around()
    {
        using var scope = Torch.Scope();
        var layer = new Sequential([new Linear(3, 4), new Gelu(), new Linear(4, 2)]);
        var input = Torch.Ones([5, 3]);
        var before = Tensor.LiveCount;
        using (Torch.NoGrad())
            layer.Call(input);
        Assert.Equal(before + 1, Tensor.LiveCount);
        layer.Call(input);
        Assert.Equal(before + 2, Tensor.LiveCount);
    }
}
