using Tessera.Search;
using Tessera.Search.Costs;
using Tessera.Search.Measuring;
using Tessera.Testing;
using Tessera.Training;

namespace Tessera.Tests.Search;

public sealed class SpaceMeasurementTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static MeasuringOptions Few(LatencySettings? settings = null) =>
        new(settings ?? new(), Shapes: 8, Runs: 5, Budget: TimeSpan.Zero);

    private SpaceMeasurement Measurement(LatencySettings? settings = null) => new(SmallVitas.Recipe(folder), Few(settings));

    [Theory]
    [InlineData(LatencyEngine.Eager, Precision.Fp32)]
    [InlineData(LatencyEngine.Compiled, Precision.Fp32)]
    [InlineData(LatencyEngine.Eager, Precision.Bf16)]
    [InlineData(LatencyEngine.Compiled, Precision.Bf16)]
    public void Parts_are_measured_and_whole_networks_are_predicted(LatencyEngine engine, Precision precision)
    {
        var measurement = Measurement(new(engine, precision));
        var seen = new List<MeasuringProgress>();
        var table = measurement.Run(folder["table.json"], seen.Add);
        Assert.True(table.IsComplete);
        Assert.Equal(8, table.Entries.Count);
        Assert.Contains(table.Entries, entry => entry.Shape.Surrounds);
        Assert.All(table.Entries, entry => Assert.Equal(5, entry.Runs));
        Assert.Equal(Enumerable.Range(0, 18), seen.Select(progress => progress.Done));
        Assert.All(seen, progress => Assert.Equal(18, progress.All));
        var read = LatencyTable.Load(folder["table.json"]);
        Assert.Equal(new(engine, precision), read.Settings);
        var checkedNetworks = measurement.Check(read, 3);
        Assert.Equal(3, checkedNetworks.Select(one => one.Genome).Distinct().Count());
        Assert.All(checkedNetworks, one => Assert.True(one.Predicted > 0 && one.Measured > 0));
    }

    [Fact]
    public void A_measurement_that_was_stopped_goes_on_and_keeps_what_it_has()
    {
        using var stop = new CancellationTokenSource();
        void Watch(MeasuringProgress progress)
        {
            if (progress.Done == 3)
                stop.Cancel();
        }
        Assert.Throws<OperationCanceledException>(() => Measurement().Run(folder["table.json"], Watch, stop.Token));
        var before = LatencyTable.Read(folder["table.json"]);
        Assert.Equal(3, before.Entries.Count);
        Assert.Throws<RunException>(() => LatencyTable.Load(folder["table.json"]));
        var after = Measurement().Run(folder["table.json"]);
        Assert.Equal(
            before.Entries.Select(entry => (entry.Shape, entry.Ratio)),
            after.Entries.Take(3).Select(entry => (entry.Shape, entry.Ratio))
        );
        Assert.Equal(8, after.Entries.Count);
        // What is complete is not measured again.
        var written = File.ReadAllBytes(folder["table.json"]);
        Measurement().Run(folder["table.json"], _ => Assert.Fail("it was measured again"));
        Assert.Equal(written, File.ReadAllBytes(folder["table.json"]));
    }

    [Fact]
    public void A_table_of_other_settings_is_not_gone_on_with()
    {
        Measurement().Run(folder["table.json"]);
        var other = Measurement(new(Batch: 2));
        Assert.Contains(
            "batch of 1, not",
            Assert.Throws<RunException>(() => other.Run(folder["table.json"])).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_search_knows_the_latency_of_its_networks_by_the_table_of_its_budget()
    {
        Measurement().Run(folder["table.json"]);
        var recipe = SmallVitas.Recipe(folder, new(LatencyMs: [1000], LatencyTable: folder["table.json"]));
        var context = new SearchContext(recipe, folder["search"], null);
        var genome = recipe.Search.Draw(new(4), context);
        var cost = context.CostOf(genome);
        Assert.Equal(
            new LatencyModel(LatencyTable.Load(folder["table.json"])).Milliseconds(recipe.Search.Parts(genome, context)!),
            cost.LatencyMs
        );
        Assert.True(recipe.Limits.Allows(cost));
        Assert.False((recipe.Limits with { LatencyMs = [0, 1e-9] }).Allows(cost));
    }

    [Fact]
    public void Few_parts_of_a_kind_are_all_measured_and_the_ends_of_many()
    {
        var context = new SearchContext(SmallVitas.Recipe(folder), "", null);
        var plan = ShapePlan.Of(context, 60);
        Assert.Equal(60, plan.Distinct().Count());
        // Two patches, four widths.
        Assert.Equal(8, plan.Count(shape => shape.Surrounds));
        BlockShape[] blocks = [.. plan.Where(shape => !shape.Surrounds)];
        Assert.Equal((24, 96), (blocks.Min(b => b.Sizes["dim"]), blocks.Max(b => b.Sizes["dim"])));
        Assert.Equal((36, 144), (blocks.Min(b => b.Sizes["qkv"]), blocks.Max(b => b.Sizes["qkv"])));
        Assert.Equal(plan, ShapePlan.Of(context, 60));
    }
}
