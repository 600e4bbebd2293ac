using System.Diagnostics;
using System.Globalization;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Optim;

namespace Tessera.Benchmarks.Scaling;

/// <summary>One of the processes that are measured.</summary>
internal static class Measurement
{
    /// <summary>Trains on noise; what the steps take is the same.</summary>
    /// <returns>What rank 0 has measured; null elsewhere.</returns>
    internal static Figures? Run(string name, int batch, int threads, int steps, ProcessGroup? group)
    {
        Torch.Threads = threads;
        Torch.Seed(1);
        using var scope = new Scope();
        var model = Registry.Get(name).Create(new());
        model.Train();
        var optimizer = new AdamW(ParameterGroup.All(model, 0.05), 1e-4);
        var (height, width) = model.ImageSize;
        var images = Torch.Randn([batch, model.Channels, height, width]);
        using var parallel = group is null ? null : new DataParallel(group, [model], model.Parameters());
        var gradients = Torch.Zeros(model.Parameters().Where(p => p.RequiresGrad).Sum(p => p.Elements));

        double compute = 0,
            step = 0,
            exchange = 0,
            sent = 0;
        // Warm-up, then the three take turns.
        Step(true);
        Step(false);
        for (var i = 0; i < steps; i++)
        {
            compute += Time(() => Step(false));
            var before = Sent();
            step += Time(() => Step(true));
            sent += Sent() - before;
            if (group is not null)
                exchange += Time(() => Exchange(group, gradients));
        }
        group?.Complete();
        group?.Dispose();
        return group is null or { IsFirst: true }
            ? new(step / steps, compute / steps, exchange / steps, group is null ? 0 : sent / steps / 1e6 / group.Size)
            : null;

        double Time(Action work)
        {
            group?.Barrier();
            var started = Stopwatch.GetTimestamp();
            work();
            return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        }

        void Step(bool averaged)
        {
            using var inner = new Scope();
            var loss = model.Call(images).Square().Mean();
            if (averaged)
                parallel?.Average(loss);
            if (group is null)
                loss.Backward();
            else
                group.Guard(() => loss.Backward());
            optimizer.Step();
            optimizer.ZeroGrad();
        }
    }

    // In the sizes in which the reducer does it.
    private static void Exchange(ProcessGroup group, Tensor gradients)
    {
        const long elements = 25 << 18;
        using var scope = new Scope();
        for (var start = 0L; start < gradients.Elements; start += elements)
            group.AllReduce(gradients.Slice(0, start, Math.Min(start + elements, gradients.Elements)));
    }

    private static double Sent()
    {
        var line = File.ReadLines("/proc/net/dev").First(l => l.TrimStart().StartsWith("lo:", StringComparison.Ordinal));
        return double.Parse(line.Split(':')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[8], CultureInfo.InvariantCulture);
    }
}
