using Tessera.Nn;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests;

/// <summary>Regions that hold for one thread, and objects that several threads meet at.</summary>
public sealed class ThreadTests : LiveTensors
{
    private static Exception? OnAnotherThread(Action action)
    {
        Exception? error = null;
        var thread = new Thread(() => error = Record.Exception(action));
        thread.Start();
        thread.Join();
        return error;
    }

    public static TheoryData<string> Regions => ["taps", "no grad", "grad", "inference", "autocast", "count", "init"];

    private static IDisposable Region(string name) =>
        name switch
        {
            "taps" => new Taps(new ModuleList<Layer>(), "*"),
            "no grad" => Torch.NoGrad(),
            "grad" => Torch.EnableGrad(),
            "inference" => Torch.Inference(),
            "autocast" => Torch.Autocast(),
            "count" => new OperationCount(),
            _ => Init.Skip(),
        };

    [Theory]
    [MemberData(nameof(Regions))]
    public void A_region_is_left_on_its_own_thread_only(string name)
    {
        var region = Region(name);
        try
        {
            bool? before = null;
            var error = OnAnotherThread(() =>
            {
                before = Torch.GradEnabled;
                try
                {
                    region.Dispose();
                }
                finally
                {
                    Assert.Equal(before, Torch.GradEnabled);
                }
            });
            Assert.Contains(
                "on the thread that began it",
                Assert.IsType<InvalidOperationException>(error).Message,
                StringComparison.Ordinal
            );
        }
        finally
        {
            region.Dispose();
        }
        Assert.True(Torch.GradEnabled);
        Assert.Null(Torch.AutocastType(DeviceType.Cpu));
    }

    [Fact]
    public void Regions_that_nest_end_the_innermost_first()
    {
        using var outer = new Taps(new ModuleList<Layer>(), "*");
        using (new Taps(new ModuleList<Layer>(), "*"))
            Assert.Throws<InvalidOperationException>(outer.Dispose);
        using var count = new OperationCount();
        using (new OperationCount())
            Assert.Throws<InvalidOperationException>(count.Dispose);
        count.Dispose();
        outer.Dispose();
    }

    [Fact]
    public void A_scope_returns_on_its_own_thread_only()
    {
        using var scope = Torch.Scope();
        var tensor = Torch.Zeros([1]);
        Assert.IsType<InvalidOperationException>(OnAnotherThread(() => scope.Return(tensor)));
        Assert.Equal(1, tensor.Elements);
    }

    private sealed class Halting(Parameter parameter, Action inside)
        : Optimizer([new ParameterGroup([("parameter", parameter)])], learningRate: 1)
    {
        protected override void Update(
            Slot slot,
            Parameter parameter,
            Tensor gradient,
            ParameterGroup group,
            double learningRate,
            long step
        ) => inside();
    }

    [Fact]
    public void A_second_step_at_the_same_time_is_refused()
    {
        using var scope = Torch.Scope();
        var parameter = new Parameter(Torch.Zeros([2]));
        (parameter * 1).Sum().Backward();
        using ManualResetEventSlim inside = new(),
            tried = new();
        var optimizer = new Halting(parameter, () =>
        {
            inside.Set();
            tried.Wait();
        });
        var stepping = new Thread(optimizer.Step);
        stepping.Start();
        inside.Wait();
        var error = Record.Exception(optimizer.Step);
        tried.Set();
        stepping.Join();
        Assert.Contains("another thread", Assert.IsType<InvalidOperationException>(error).Message, StringComparison.Ordinal);
        optimizer.Step();
        parameter.Dispose();
    }

    [Fact]
    public void Threads_share_a_generator_without_losing_numbers()
    {
        using var scope = Torch.Scope();
        const int threads = 8,
            rounds = 200;
        using var generator = new Generator(3);
        var expected = Torch.Rand([threads * rounds], generator: generator).ToArray<float>().Order().ToArray();
        generator.Seed(3);
        var drawn = new float[threads * rounds];
        Together.Run(threads, rounds, (thread, round) =>
        {
            using var inner = Torch.Scope();
            drawn[thread * rounds + round] = Torch.Rand([1], generator: generator).ToSingle();
        });
        Assert.Equal(expected, drawn.Order());
    }
}
