using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Conformance.Cases;

[Case("bats.binary-conv")]
internal sealed class BatsBinaryConv : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "binary_conv");
        var conv = run.Load(
            new BinaryConv2d(
                c.Int("in_channels"),
                c.Int("out_channels"),
                c.Int("kernel_size"),
                c.Int("stride"),
                c.Int("padding"),
                c.Int("dilation"),
                c.Int("groups"),
                c.String("mode") switch
                {
                    "xnor" => Binarization.Xnor,
                    "xnor++" => Binarization.XnorPlus,
                    "activations_only" => Binarization.Activations,
                    var other => throw new GoldenMismatchException($"there is no mode '{other}'"),
                },
                c.Bool("center_weights")
            )
        );
        run.Output("y", conv.Call(run.Input("x")));
    }
}

[Case("bats.network")]
internal sealed class BatsNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.ExpectOneOf("network", "cifar", "imagenet");
        c.Expect("prelu", "one slope per channel");
        c.Expect("real_valued_layers", "stem, auxiliary head, classifier");
        var binarization = BatsSearchCellCase.Binarization(c, binary: Binarization.XnorPlus);
        c.Expect("scale", binarization == Binarization.XnorPlus ? "per output channel, learned (alpha)" : "none");
        var cells = c.Object("genotype");
        var model = run.Load(
            new Bats(
                new Bats.Config(
                    c.Size("image_size"),
                    new(Choices(cells, "normal"), cells.Ints("normal_concat"), Choices(cells, "reduce"), cells.Ints("reduce_concat")),
                    c.Int("init_channels"),
                    c.Int("layers"),
                    c.Int("num_classes"),
                    Auxiliary: c.Bool("auxiliary"),
                    LargeImages: c.String("network") == "imagenet",
                    Style: new(c.Int("groups"), c.Int("shuffle_groups"), binarization, Eps: c.Double("batchnorm_eps"))
                )
            )
        );
        var outputs = model.Run(new(run.Input("x")));
        run.Output("out.logits", outputs.Logits);
        if (outputs.Named.TryGetValue(Outputs.Auxiliary, out var auxiliary))
            run.Output("out.logits_aux", auxiliary);
    }

    private static BatsChoice[] Choices(Config cells, string key) =>
        [.. cells[key].EnumerateArray().Select(choice => new BatsChoice(choice[0].GetString()!, choice[1].GetInt32()))];
}

[Case("bats.search-cell")]
internal sealed class BatsSearchCellCase : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "search_cell");
        c.Expect("steps", BatsSearchCell.Nodes);
        c.Expect("op_names", BatsOperations.Names);
        var cell = run.Load(
            new BatsSearchCell(
                c.Int("prev_prev_channels"),
                c.Int("prev_channels"),
                c.Int("channels"),
                c.Bool("reduction"),
                afterReduction: false,
                new(
                    c.Int("groups"),
                    c.Int("shuffle_groups"),
                    Binarization(c, binary: Models.Layers.Binarization.Xnor),
                    c.Bool("batchnorm_affine")
                )
            )
        );
        var weights = BatsSearchCell.Weights(run.Input("arch"), c.Double("temperature"));
        var nodes = cell.Call(run.Input("s0"), run.Input("s1"), weights);
        run.Output("cell", nodes);
        run.Differentiate((nodes * GoldenRun.Cotangent("cell", nodes)).Sum());
        run.Output("weights", weights);
        run.Output("entropy", BatsSearchCell.Entropy(weights));
        var derived = BatsSearchCell.Derive(weights.Detach());
        run.Output(
            "genotype",
            derived.SelectMany(choice => new double[] { BatsOperations.Names.ToList().IndexOf(choice.Operation), choice.Input }),
            derived.Count,
            2
        );
    }

    internal static Binarization Binarization(Config c, Binarization binary) =>
        c.String("binarisation") switch
        {
            "real" => Models.Layers.Binarization.Real,
            "activations" => Models.Layers.Binarization.Activations,
            "binary" => binary,
            var other => throw new GoldenMismatchException($"there is no binarisation '{other}'"),
        };
}
