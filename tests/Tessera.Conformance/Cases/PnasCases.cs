using Tessera.Models;
using Tessera.Search.Methods;
using Tessera.Search.Surrogates;

namespace Tessera.Conformance.Cases;

[Case("pnas.network")]
internal sealed class PnasNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("model", "pnasnet5");
        c.Expect("blocks_per_cell", PnasNet.BlocksPerCell);
        const string even = "symmetric k//2";
        c.ExpectOneOf("padding", even, "same (asymmetric, extra at bottom/right)");
        var model = run.Load(
            new PnasNet(
                new PnasNet.Config(
                    c.Size("image_size"),
                    c.Int("filters"),
                    c.Int("cells_per_stage"),
                    c.Int("stem_filters"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.String("padding") == even,
                    c.Double("batchnorm_eps"),
                    Momentum: c.Double("batchnorm_momentum")
                )
            )
        );
        var last = model.BlockPaths[^1];
        using var taps = new Taps(model, "conv_0", "cell_stem_0", "cell_stem_1", last);
        var logits = model.Run(new(run.Input("x"))).Logits;
        run.Output("out.conv_0", taps["conv_0"]);
        run.Output("out.cell_stem_0", taps["cell_stem_0"]);
        run.Output("out.cell_stem_1", taps["cell_stem_1"]);
        run.Output("out.last_cell", taps[last]);
        run.Output("out.logits", logits);
    }
}

[Case("pnas.cell")]
internal sealed class PnasSearchedCell : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "searched_cell");
        c.Expect("op_names", PnasOperations.Names);
        var cell = PnasCell.Of([
            .. c["blocks"].EnumerateArray().Select(block => block.EnumerateArray().Select(n => n.GetInt32()).ToArray()),
        ]);
        var (before, last, filters) = (c.Int("prev_prev_channels"), c.Int("prev_channels"), c.Int("filters"));
        var norms = new PnasNorms(c.Double("batchnorm_eps"), c.Double("batchnorm_momentum", new PnasNorms().Momentum));
        var places = c.Object("variants")
            .Parts.Select(part => (part.Key, Halves: part.Value.Bool("reduction"), After: part.Value.Bool("previous_cell_was_reduction")))
            .ToArray();
        var cells = run.Load(
            new Named<PnasCellLayer>([
                .. places.Select(place => (place.Key, new PnasCellLayer(cell, before, last, filters, place.Halves, place.After, norms))),
            ])
        );
        var previous = run.Input("prev");
        var (height, width) = c.Size("image");
        if ((previous.Size(2), previous.Size(3)) != (height, width))
            throw new GoldenMismatchException($"'image' is {height}x{width}, and the input 'prev' is {previous.Shape}");
        foreach (var (i, place) in places.Index())
            run.Output($"out.{place.Key}", cells[i].Call((run.Input(place.After ? "prev_prev_double" : "prev_prev_same"), previous)));
    }

    // Modules under names of their own.
    private sealed class Named<T>((string Name, T Module)[] entries) : Module
        where T : Module
    {
        public T this[int index] => entries[index].Module;

        protected override void ListMembers(Members members)
        {
            foreach (var (name, module) in entries)
                members.Add(name, module);
        }
    }
}

[Case("pnas.expansion", OnCpu = true)]
internal sealed class PnasExpansion : GoldenCase
{
    private const int Shown = 20;

    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "expansion_counts");
        var space = new PnasSpace(c.Int("num_ops"));
        var keep = c.Int("beam");
        var levels = Enumerable.Range(1, PnasNet.BlocksPerCell).ToArray();
        run.Output("unique_blocks", levels.Select(blocks => (double)space.BlockCount(blocks)), levels.Length);
        run.Output("cells", levels.Select(blocks => (double)space.CellCount(blocks)), levels.Length);
        run.Output("candidates", levels.Select(blocks => (double)space.CandidateCount(blocks, keep)), levels.Length);
        run.Output("trained", space.TrainedCount(PnasNet.BlocksPerCell, keep));
        var first = space.Blocks(1).Take(Shown).ToArray();
        run.Output(
            "first",
            first.SelectMany(block => new double[] { block.Input1, block.Input2, block.Operation1, block.Operation2 }),
            first.Length,
            4
        );
    }
}

[Case("pnas.surrogate-mlp")]
[Case("pnas.surrogate-lstm")]
internal sealed class PnasSurrogate : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.ExpectOneOf("kind", "surrogate_mlp", "surrogate_lstm");
        var lstm = run.File.Case == "pnas.surrogate-lstm";
        c.Expect("kind", lstm ? "surrogate_lstm" : "surrogate_mlp");
        c.Expect("activation", lstm ? "lstm" : "relu");
        c.Expect("output", "sigmoid");
        c.Expect("loss", "mean absolute error");
        var (inputs, operations, embedding, hidden) = (c.Int("num_inputs"), c.Int("num_ops"), c.Int("embedding"), c.Int("hidden"));
        Surrogate surrogate = run.Load<Surrogate>(
            lstm ? new LstmSurrogate(inputs, operations, embedding, hidden) : new MlpSurrogate(inputs, operations, embedding, hidden)
        );
        var prediction = surrogate.Call(run.Input("architectures"));
        run.Output("prediction", prediction);
        run.Output("loss", Surrogate.Loss(prediction, run.Input("accuracies")));
    }
}
