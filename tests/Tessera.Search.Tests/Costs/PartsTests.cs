using Tessera.Models;
using Tessera.Models.Measurement;
using Tessera.Search;
using Tessera.Search.Costs;
using Tessera.Search.Methods;
using Tessera.Testing;
using Tessera.Training.Optimization;

namespace Tessera.Tests.Search;

public sealed class PartsTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    // What a part adds to the networks by which it is measured, in multiply-accumulates, which nothing disturbs.
    private static double Macs(BlockShape part, SearchContext context)
    {
        double Of(int copies) => Macs(context.Recipe.Search.Probe(part, copies, context), context);
        return part.Surrounds ? Of(1) : (Of(BlockShape.Copies) - Of(0)) / BlockShape.Copies;
    }

    private static double Macs(ArchitectureOptions network, SearchContext context)
    {
        using var scope = new Scope();
        return ModelCost.Count(network.Create(context.ModelOptions)).Macs;
    }

    private void Check(SearchMethod method, double least, double most)
    {
        var context = new SearchContext(SmallVitas.Recipe(folder) with { Search = method }, "", null);
        var random = new Random(11);
        for (var i = 0; i < 6; i++)
        {
            var genome = method.Draw(random, context);
            var parts = method.Parts(genome, context)!.Sum(part => Macs(part, context));
            Assert.InRange(parts / Macs(method.Network(genome, context), context), least, most);
        }
    }

    private static TrainingSettings Training => new(new AdamWOptions(1e-3), new CosineOptions(Epochs: 1));

    [Fact]
    public void Blocks_of_a_transformer_add_up_to_it() => Check(new SmallVitas(), 0.9999, 1.0001);

    [Fact]
    public void Blocks_of_vitas_add_up_to_its_networks() =>
        Check(new VitasMethod(new([4, 8], 48, 3, [1, 2], 72, 96, [0.5, 1]), Training), 0.9999, 1.0001);

    [Fact]
    public void Blocks_of_glit_add_up_to_its_networks() =>
        Check(new GlitMethod(Training, Depth: 3, Dim: 48, Heads: 3, Patch: 8), 0.9999, 1.0001);

    // Of the two outputs of cells that the surroundings pass on, a cell may use none.
    [Fact]
    public void Operations_of_a_cell_add_up_to_its_network() =>
        Check(new PnasMethod(Training, Blocks: 3, Found: new(Cells: 1, Filters: 8)), 0.9999, 1.1);
}
