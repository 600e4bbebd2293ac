using System.Runtime.CompilerServices;
using Tessera.Native;
using Tessera.Nn;
using Tessera.Testing;

// What the analyzer warns of is done here on purpose.
#pragma warning disable TSR005

namespace Tessera.Tests;

/// <summary>Regions that asynchronous code holds over an await.</summary>
public sealed class ThreadRegionTests : LiveTensors
{
    public static TheoryData<string> Regions => ["scope", "taps", "no grad", "inference", "autocast", "count", "init"];

    private static ThreadRegion Region(string name) =>
        name switch
        {
            "scope" => new Scope(),
            "taps" => new Taps(new ModuleList<Layer>(), "*"),
            "no grad" => Torch.NoGrad(),
            "inference" => Torch.Inference(),
            "autocast" => Torch.Autocast(),
            "count" => new OperationCount(),
            _ => Init.Skip(),
        };

    // All that regions change of a thread.
    private static (Scope?, Taps?, bool, DType?, CallObserver?, bool) State
    {
        get
        {
            using var parameter = new Parameter([1]);
            Init.Constant(parameter, 1);
            Init.Constant(parameter, 2);
            return (
                Scope.Current,
                Taps.Current,
                Torch.GradEnabled,
                Torch.AutocastType(DeviceType.Cpu),
                CallObserver.Current,
                parameter.Detach().Keep() is var value && Freed(value) == 2
            );
        }
    }

    private static double Freed(Tensor value)
    {
        using (value)
            return value.ToDouble();
    }

    /// <summary>What is awaited goes on where the test says.</summary>
    private sealed class Elsewhere(Action<Action> run) : INotifyCompletion
    {
        public bool IsCompleted => false;

        public Elsewhere GetAwaiter() => this;

        public void OnCompleted(Action continuation) => run(continuation);

        public void GetResult() { }
    }

    private static Elsewhere AnotherThread => new(continuation => new Thread(() => continuation()).Start());

    [Theory]
    [MemberData(nameof(Regions))]
    public void Over_an_await_a_region_throws_and_its_first_thread_is_as_before(string name)
    {
        async Task Hold()
        {
            using var held = Region(name);
            await AnotherThread;
        }

        var before = State;
        var task = Hold();
        Assert.Equal(before, State);
        var error = Assert.Throws<InvalidOperationException>(() => task.GetAwaiter().GetResult());
        Assert.Contains("cannot be held over await", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, State);
    }

    [Fact]
    public void Results_after_an_await_are_refused_too()
    {
        async Task<Tensor> Hold()
        {
            using var scope = new Scope();
            var made = Torch.Zeros([1]);
            await AnotherThread;
            return scope.Return(made);
        }

        var error = Assert.Throws<InvalidOperationException>(() => Hold().GetAwaiter().GetResult());
        Assert.Contains("a Scope cannot be held over await", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_its_first_thread_makes_later_belongs_to_nobody_else()
    {
        List<Action> waiting = [];
        async Task Hold()
        {
            using var scope = new Scope();
            using var quiet = Torch.NoGrad();
            Torch.Zeros([1]);
            await new Elsewhere(waiting.Add);
        }

        using var outer = new Scope();
        var task = Hold();
        Assert.Same(outer, Scope.Current);
        Assert.True(Torch.GradEnabled);
        using (new Scope())
            Torch.Zeros([1]);
        var mine = Torch.Ones([1]);
        var another = new Thread(() => waiting[0]());
        another.Start();
        another.Join();
        Assert.Throws<InvalidOperationException>(() => task.GetAwaiter().GetResult());
        Assert.Equal(1, mine.ToDouble());
        Assert.Same(outer, Scope.Current);
    }

    [Fact]
    public async Task On_the_same_thread_a_region_holds_again()
    {
        List<Action> waiting = [];
        (Scope?, bool)? after = null;
        async Task Hold()
        {
            using var scope = new Scope();
            using var quiet = Torch.NoGrad();
            var before = (Scope.Current, Torch.GradEnabled);
            await new Elsewhere(waiting.Add);
            Assert.Equal(before, (Scope.Current, Torch.GradEnabled));
            after = before;
        }

        Task task;
        using (new Scope())
            task = Hold();
        Assert.Null(Scope.Current);
        using (new Scope())
            waiting[0]();
        Assert.True(task.IsCompleted);
        await task;
        Assert.False(after!.Value.Item2);
        Assert.Null(Scope.Current);
        Assert.True(Torch.GradEnabled);
    }

    private sealed class Waiting(Task task) : Layer
    {
        protected override Tensor Forward(Tensor input)
        {
            var before = Scope.Current;
            task.RunSynchronously();
            Assert.Same(before, Scope.Current);
            return input + 1;
        }
    }

    [Fact]
    public void Regions_of_a_thread_that_runs_another_task_meanwhile_hold_again_afterwards()
    {
        (Scope?, bool)? inside = null;
        var older = new Task(() => inside = (Scope.Current, Torch.GradEnabled));
        using (var scope = new Scope())
        using (Torch.NoGrad())
        using (var count = new OperationCount())
        {
            Assert.Equal(1, new Waiting(older).Call(Torch.Zeros([1])).ToDouble());
            Torch.Ones([2, 2]).Matmul(Torch.Ones([2, 2]));
            Assert.Equal(8, count.Macs);
            Assert.False(Torch.GradEnabled);
            Assert.Same(scope, Scope.Current);
        }
        Assert.Equal((null, true), inside);
        Assert.True(Torch.GradEnabled);
    }

    [Fact]
    public void Threads_that_a_region_starts_have_none()
    {
        using var scope = new Scope();
        using var quiet = Torch.NoGrad();
        var states = new System.Collections.Concurrent.ConcurrentBag<(Scope?, bool)>();
        var thread = new Thread(() =>
        {
            using (new Scope())
                Torch.Zeros([1]);
            states.Add((Scope.Current, Torch.GradEnabled));
        });
        thread.Start();
        thread.Join();
        Assert.Equal((null, true), Assert.Single(states));
        Assert.Same(scope, Scope.Current);
    }

    [Fact]
    public async Task A_task_is_no_result()
    {
        List<Task<Tensor>> started = [];
        async Task<Tensor> Make()
        {
            await AnotherThread;
            return Torch.Zeros([1]);
        }

        Task<Tensor> Made()
        {
            started.Add(Make());
            return started[^1];
        }

        async ValueTask<Tensor> Valued() => await Made();

#pragma warning disable CA2012 // The task is refused, not awaited.
        foreach (var compute in new Func<object>[] { () => Torch.Scope(Made), () => Torch.Scope(Valued) })
            Assert.Contains("nor return a task", Assert.Throws<InvalidOperationException>(compute).Message, StringComparison.Ordinal);
#pragma warning restore CA2012
        Assert.Equal(2, started.Count);
        foreach (var task in started)
            (await task).Dispose();
    }

    [Fact]
    public void An_iterator_that_holds_a_scope_is_told_of_yield()
    {
        static IEnumerable<int> Numbers()
        {
            using var scope = new Scope();
            yield return 1;
        }

        var numbers = Numbers().GetEnumerator();
        numbers.MoveNext();
        var inner = new Scope();
        var error = Assert.Throws<InvalidOperationException>(() => numbers.Dispose());
        Assert.Contains("yield return", error.Message, StringComparison.Ordinal);
        inner.Dispose();
        Assert.NotNull(Scope.Current);
        Scope.Current.Dispose();
    }
}
