using System.Diagnostics;
using System.Globalization;
using Tessera.Models;
using Tessera.Search.Costs;
using Tessera.Training;
using Tessera.Training.Recipes;
using Tessera.Training.Reports;

namespace Tessera.Search.Measuring;

/// <summary>How far a measurement is.</summary>
/// <param name="Done">What is measured.</param>
/// <param name="All">What is to be measured, the networks at the end included.</param>
/// <param name="Left">Time left, as the pace so far has it; null before there is one.</param>
public sealed record MeasuringProgress(int Done, int All, TimeSpan? Left);

/// <summary>A network whose time was predicted and measured.</summary>
/// <param name="Genome">The network.</param>
/// <param name="Predicted">Milliseconds of a batch by the table.</param>
/// <param name="Measured">Milliseconds of a batch as measured, in the same unit: over the reference, which ran in turns with it.</param>
public sealed record MeasuredNetwork(string Genome, double Predicted, double Measured)
{
    /// <summary>How far the prediction is off, as a share of what was measured.</summary>
    public double Error => Predicted / Measured - 1;
}

/// <summary>Measures the parts of a search's space on this machine.</summary>
public sealed class SpaceMeasurement
{
    // Networks that show what whole ones cost beside the sum of their parts; runs that are made in any case.
    private const int Whole = 10,
        Fewest = 5;

    // Of the networks that are drawn for scale and check, apart from those of the plan.
    private const int ScaleSeed = 1,
        CheckSeed = 2;

    private readonly SearchContext context;
    private readonly MeasuringOptions options;

    /// <summary>Prepares it; nothing is measured yet.</summary>
    /// <param name="recipe">The search; of its budget only published binds here, so that drawing networks builds none.</param>
    /// <param name="options">How it is measured.</param>
    public SpaceMeasurement(SearchRecipe recipe, MeasuringOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Shapes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Shapes, MeasuringOptions.MostShapes);
        this.options = options;
        // Other limits than the method's own counter need a network to be built for every draw, and that of latency the table itself.
        var budget = new Budget(Published: recipe.Limits.Published);
        context = new(recipe with { Budget = budget }, "", null);
    }

    private LatencySettings Settings => options.Settings;

    /// <summary>Measures what is not measured yet, and writes the table after every part.</summary>
    /// <param name="path">The table; one that is there is gone on with.</param>
    /// <param name="report">Told how far it is.</param>
    /// <param name="stop">Ends it after a part; the table keeps what is measured.</param>
    /// <returns>The table, complete.</returns>
    /// <exception cref="RunException">The table that is there is of another machine, space or way of running.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    public LatencyTable Run(string path, Action<MeasuringProgress>? report = null, CancellationToken stop = default)
    {
        Torch.Threads = Settings.Threads;
        using var outside = Torch.NoGrad();
        var plan = ShapePlan.Of(context, options.Shapes);
        var reference = ReferenceOf(plan);
        var table = Begin(path, plan, reference);
        if (table.IsComplete)
            return table;
        using var scope = new Scope();
        using var referenceNetwork = Network(reference, BlockShape.Copies);
        var remaining = plan.Except(table.Entries.Select(entry => entry.Shape)).ToArray();
        var (begun, all) = (Stopwatch.GetTimestamp(), plan.Count + Whole);
        foreach (var (i, shape) in remaining.Index())
        {
            Tell(plan.Count - remaining.Length + i, i);
            table = table with { Entries = [.. table.Entries, Measure(shape, referenceNetwork, stop)] };
            table.Save(path);
        }
        var model = new LatencyModel(table);
        List<double> scales = [],
            times = [];
        foreach (var (i, genome) in Drawn(ScaleSeed, Whole).Index())
        {
            Tell(plan.Count + i, remaining.Length + i);
            scales.Add(RatioOf(genome, referenceNetwork, times, stop) / model.RatioOf(ShapePlan.PartsOf(context, genome)));
        }
        table = table with { ReferenceMs = 1000 * RunMedian.Of(times).Value, Scale = RunMedian.Of(scales).Value };
        table.Save(path);
        return table;

        void Tell(int done, int here) =>
            report?.Invoke(new(done, all, here == 0 ? null : Stopwatch.GetElapsedTime(begun) / here * (all - done)));
    }

    /// <summary>Measures networks that are drawn from the space, which the table has not seen, beside their prediction.</summary>
    /// <param name="table">Complete.</param>
    /// <param name="count">Number of networks.</param>
    /// <param name="report">Told how far it is.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    public IReadOnlyList<MeasuredNetwork> Check(
        LatencyTable table,
        int count,
        Action<MeasuringProgress>? report = null,
        CancellationToken stop = default
    )
    {
        Torch.Threads = Settings.Threads;
        using var outside = Torch.NoGrad();
        using var scope = new Scope();
        var model = new LatencyModel(table);
        using var reference = Network(ReferenceOf(ShapePlan.Of(context, options.Shapes)), BlockShape.Copies);
        var begun = Stopwatch.GetTimestamp();
        var found = new List<MeasuredNetwork>();
        foreach (var genome in Drawn(CheckSeed, count))
        {
            report?.Invoke(
                new(found.Count, count, found.Count == 0 ? null : Stopwatch.GetElapsedTime(begun) / found.Count * (count - found.Count))
            );
            var ratio = RatioOf(genome, reference, [], stop);
            found.Add(new(genome, model.Milliseconds(ShapePlan.PartsOf(context, genome)), ratio * table.ReferenceMs!.Value));
        }
        return found;
    }

    private LatencyTable Begin(string path, IReadOnlyList<BlockShape> plan, BlockShape reference)
    {
        var machine = LatencyMachine.Here;
        var (classes, channels, size) = (context.ModelOptions.Classes, context.ModelOptions.Channels, context.ModelOptions.ImageSize);
        var space = string.Create(
            CultureInfo.InvariantCulture,
            $"{RecipeShape.MessageName(context.Recipe.Search.GetType())}, {classes} classes, {channels} channels, {size}"
        );
        var empty = new LatencyTable
        {
            Machine = machine,
            Settings = Settings,
            Space = space,
            Tessera = RunEnvironment.Version,
            Date = DateTime.Now.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
            Planned = plan.Count,
            Reference = reference.ToString(),
        };
        if (!File.Exists(path))
            return empty;
        var before = LatencyTable.Read(path);
        var difference = before.Machine.Difference(machine)
            ?? (
                before.Settings != Settings ? $"its networks ran {before.Settings}, not {Settings}"
                : before.Space != space ? $"its space is {before.Space}, not {space}"
                : before.Reference != empty.Reference ? $"its reference is {before.Reference}, not {reference}"
                : null
            );
        if (difference is not null)
            throw new RunException($"{path} cannot be gone on with: {difference}; choose another --out");
        var planned = plan.ToHashSet();
        LatencyEntry[] kept = [.. before.Entries.Where(entry => planned.Contains(entry.Shape))];
        return kept.Length == before.Planned && before.IsComplete && kept.Length == plan.Count ? before : empty with { Entries = kept };
    }

    // One in the middle, by what it does.
    private static BlockShape ReferenceOf(IReadOnlyList<BlockShape> plan)
    {
        BlockShape[] inner = [.. plan.Where(shape => !shape.Surrounds)];
        var of = inner.Length > 0 ? inner : [.. plan];
        return of.OrderBy(shape => shape.Work.Values.FirstOrDefault()).ElementAt(of.Length / 2);
    }

    private TimedNetwork Network(BlockShape shape, int copies) =>
        new(context.Recipe.Search.Probe(shape, shape.Surrounds ? 1 : copies, context).Create(context.ModelOptions), Settings);

    private LatencyEntry Measure(BlockShape shape, TimedNetwork reference, CancellationToken stop)
    {
        using var scope = new Scope();
        using var with = Network(shape, BlockShape.Copies);
        using var without = shape.Surrounds ? null : Network(shape, 0);
        var median = RunMedian.Of(
            InTurns(
                reference,
                () => without is null ? with.Seconds() : (with.Seconds() - without.Seconds()) / BlockShape.Copies,
                null,
                stop
            )
        );
        // A part that does next to nothing may come out below 0.
        return new(shape, Math.Max(median.Value, 1e-6), median.Error, median.Runs);
    }

    private double RatioOf(string genome, TimedNetwork reference, List<double> times, CancellationToken stop)
    {
        using var scope = new Scope();
        using var network = new TimedNetwork(context.Create(genome), Settings);
        return RunMedian.Of(InTurns(reference, network.Seconds, times, stop)).Value;
    }

    // Seconds over those of the reference.
    private List<double> InTurns(TimedNetwork reference, Func<double> seconds, List<double>? times, CancellationToken stop)
    {
        var ratios = new List<double>();
        var begun = Stopwatch.GetTimestamp();
        while (ratios.Count < Fewest || (ratios.Count < options.Runs && Stopwatch.GetElapsedTime(begun) < options.Each))
        {
            stop.ThrowIfCancellationRequested();
            var own = reference.Seconds();
            times?.Add(own);
            ratios.Add(seconds() / own);
        }
        return ratios;
    }

    private IEnumerable<string> Drawn(int seed, int count)
    {
        var random = new Random(seed);
        return Enumerable.Range(0, count).Select(_ => context.Recipe.Search.Draw(random, context)).ToArray();
    }
}
