using System.Globalization;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Search.Evolution;
using Tessera.Training.Losses;

namespace Tessera.Conformance.Cases;

[Case("vitas.network")]
internal sealed class VitasNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("variant", "retrained");
        var arch = c.Objects("arch");
        arch[0].Expect("op", "patch");
        var dim = arch[0].Int("embed_dim");
        var blocks = arch.Skip(1).Select(position => Block(position, dim)).ToArray();
        c.Expect("depth", blocks.Length);
        var config = new Vitas.Config(
            c.Size("image_size"),
            arch[0].Int("patch_size"),
            dim,
            blocks,
            c.Int("num_classes"),
            c.Int("in_channels"),
            c.Bool("qkv_bias"),
            c.Double("block_layernorm_eps"),
            c.Double("final_layernorm_eps"),
            DropPath: c.Double("drop_path_rate")
        );
        c.Expect("flops", config.PublishedCost);
        // Where the file names a genome of a space, it means the same blocks.
        if (c.Has("net_id"))
        {
            var space = VitasCases.Space(c);
            var (found, classes) = (space.Decode(c.String("net_id")), config.Classes);
            var decoded = space.Configure(found, config.ImageSize, classes, config.Channels);
            if ((decoded.Patch, decoded.Dim) != (config.Patch, config.Dim) || !decoded.Blocks.SequenceEqual(blocks))
                throw new GoldenMismatchException($"net_id means patch {decoded.Patch}, width {decoded.Dim} and other blocks than arch");
        }
        else
            c.ExpectNone("patch_sizes", "max_embed_dim", "max_qkv_out", "max_mlp_hidden", "head_choices", "channel_percent", "net_id");
        var model = run.Load(new Vitas(config));
        using var taps = new Taps(model, "embedded", "net.backbone_Block_Block_*.0");
        var logits = model.Run(new(run.Input("x"))).Logits;
        var after = taps["embedded"];
        for (var i = 0; i <= blocks.Length; i++)
        {
            if (i > 0 && blocks[i - 1] is not null)
                after = taps[$"net.backbone_Block_Block_{i - 1}.0"];
            run.Output($"out.after_{i}", after);
        }
        run.Output("out.logits", logits);
        run.Output("out", logits);
    }

    private static Vitas.BlockOptions? Block(Config position, int dim)
    {
        var op = position.String("op");
        if (op == "identity")
            return null;
        if (op != "block")
            throw new GoldenMismatchException($"arch has an op '{op}'; there are patch, block and identity");
        position.Expect("proj_out", dim);
        var block = new Vitas.BlockOptions(position.Int("num_heads"), position.Int("qkv_out"), position.Int("mlp_hidden"));
        if (position.Has("logit_scale"))
            VitasCases.Expect("logit_scale", position.Double("logit_scale"), Math.Pow(dim / block.Heads, -0.5));
        return block;
    }
}

[Case("vitas.supernet")]
internal sealed class VitasSupernetCase : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("variant", "supernet");
        c.Expect("private_qk", true);
        c.ExpectOneOf("position_rule", "full", "last_row");
        c.ExpectOneOf("channel_rule", "by_position", "in_order_of_active_blocks");
        var space = VitasCases.Space(c);
        VitasCases.Expect("logit_scale", c.Double("logit_scale"), Math.Pow(space.MaxDim / 3, -0.5));
        var config = new VitasSupernet.Config(
            space,
            c.Size("image_size"),
            c.Int("num_classes"),
            c.Int("in_channels"),
            c.Double("block_layernorm_eps"),
            c.Double("final_layernorm_eps")
        )
        {
            LastPositionOnly = c.String("position_rule") == "last_row",
            WidthsInOrder = c.String("channel_rule") == "in_order_of_active_blocks",
        };
        var model = run.Load(new VitasSupernet(config));
        var x = run.Input("x");
        foreach (var (i, subnet) in c.Objects("subnets").Index())
        {
            var genome = space.Decode([.. subnet.Ints("blocks"), .. subnet.Ints("channels")]);
            subnet.Expect("flops", space.Configure(genome, config.ImageSize, config.Classes, config.Channels).PublishedCost);
            run.Output($"out.sub{i}_left", model.Call(x, genome));
            run.Output($"out.sub{i}_right", model.Call(x, genome, WidthSharing.Right));
        }
    }
}

[Case("vitas.cyclic")]
internal sealed class VitasCyclic : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "cyclic_weight_sharing");
        var (size, widths) = (c.Int("channels"), c.Ints("widths"));
        var layers = run.Load(new Pair(size));
        var x = run.Input("x");
        c.Expect("tokens", x.Size(1));
        var usage = new double[size];
        foreach (var (i, width) in widths.Index())
        {
            var channels = SharedChannels.Cyclic(widths[..(i + 1)], size);
            foreach (var index in channels.Indices)
                usage[index]++;
            run.Output($"index{i}", Tensor.From([.. channels.Indices.Select(index => (double)index)]));
            var y = Torch.Linear(x.Narrow(2, 0, width), channels.Of(channels.Of(layers.Fc.Weight, 0), 1), channels.Of(layers.Fc.Bias!, 0));
            run.Output($"y{i}", y);
            run.Output(
                $"ln{i}",
                Torch.LayerNorm(y, width, channels.Of(layers.Norm.Weight!, 0), channels.Of(layers.Norm.Bias!, 0), layers.Norm.Eps)
            );
        }
        run.Output("usage", Tensor.From(usage));
    }

    private sealed class Pair(int size) : Module
    {
        internal Linear Fc { get; } = new(size, size);

        internal LayerNorm Norm { get; } = new(size, 1e-6);

        protected override void ListMembers(Members members)
        {
            members.Add("fc", Fc);
            members.Add("norm", Norm);
        }
    }
}

[Case("vitas.expected-flops")]
internal sealed class VitasExpectedFlops : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "expected_flops");
        var space = new VitasSpace(
            c.Ints("patch_sizes"),
            c.Int("max_embed_dim"),
            c.Int("depth"),
            [3, 6, 12, 16],
            c.Int("max_qkv_out"),
            c.Int("max_mlp_hidden"),
            c.Doubles("channel_percent")
        );
        var (size, classes) = (c.Size("image_size"), c.Int("num_classes"));
        run.Output("expected", Tensor.From([.. Enumerable.Range(0, 9).Select(k => space.ExpectedCost(0.1 * (k + 1), size, classes))]));
        run.Output("found", space.IdentityFor(c.Double("flops_min"), c.Double("flops_max"), size, classes));
    }
}

[Case("vitas.crowding", OnCpu = true)]
internal sealed class VitasCrowding : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "crowding_distance");
        var extreme = c.Double("infinity");
        // single_objective is the table of crowding_single.
        foreach (var name in run.File.Inputs.Keys)
        {
            var columns = (int)run.Input(name).Size(1);
            var distances = CrowdingDistance.Of([.. run.Literal(name).Chunk(columns)], extreme);
            run.Output($"crowding_{name.Split('_')[0]}", distances, distances.Length);
        }
    }
}

[Case("vitas.mutation", OnCpu = true)]
internal sealed class VitasMutation : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "polynomial_mutation_integer");
        var eta = c.Double("eta");
        var (values, least, most) = (run.Literal("x"), run.Literal("lower"), run.Literal("upper"));
        var uniform = run.Input("u").To(DType.Float64).ToArray<double>();
        var raw = new double[values.Length];
        var rounded = new double[values.Length];
        for (var i = 0; i < raw.Length; i++)
        {
            var draw = (uniform[i] + 1) / 2;
            raw[i] = PolynomialMutation.Raw(values[i], least[i], most[i], draw, eta);
            rounded[i] = PolynomialMutation.Mutate((int)values[i], (int)least[i], (int)most[i], draw, eta);
        }
        run.Output("raw", raw, raw.Length);
        run.Output("rounded", rounded, rounded.Length);
    }
}

[Case("vitas.search-loss")]
internal sealed class VitasSearchLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "search_step_loss");
        var targets = SharedPasses.Targets(
            run.Input("labels"),
            c.Int("num_classes"),
            c.Double("on_value"),
            c.Double("off_value"),
            run.Real
        );
        run.Output("loss", SharedPasses.CrossEntropy([run.Input("left"), run.Input("right")], targets));
    }
}

[Case("vitas.mixed-target")]
internal sealed class VitasMixedTarget : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("kind", "mixed_target");
        var targets = SharedPasses.MixedTargets(
            run.Input("labels"),
            c.Int("num_classes"),
            c.Double("smoothing"),
            c.Double("lam"),
            run.Real
        );
        run.Output("target", targets);
        run.Output("loss", SharedPasses.CrossEntropy([run.Input("left"), run.Input("right")], targets));
    }
}

internal static class VitasCases
{
    internal static VitasSpace Space(Config c) =>
        new(
            c.Ints("patch_sizes"),
            c.Int("max_embed_dim"),
            c.Int("depth"),
            c.Ints("head_choices"),
            c.Int("max_qkv_out"),
            c.Int("max_mlp_hidden"),
            c.Doubles("channel_percent")
        );

    internal static void Expect(string key, double stands, double ours)
    {
        if (Math.Abs(stands - ours) > 1e-12 * Math.Abs(stands))
            throw new GoldenMismatchException(string.Create(CultureInfo.InvariantCulture, $"'{key}' is {stands}, and ours is {ours}"));
    }
}
