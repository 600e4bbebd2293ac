using Tessera.Models;
using Tessera.Nn;
using Tessera.Training.Objectives;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Conformance.Cases;

/// <summary>MoCo over a residual network, under the names of the authors' code.</summary>
internal sealed class MocoNetwork : Module
{
    private readonly Moco method;

    /// <summary>The method of a file.</summary>
    /// <param name="run">The run, whose configuration says all.</param>
    /// <param name="mlp">Whether the head has a hidden layer.</param>
    internal MocoNetwork(GoldenRun run, bool mlp)
    {
        var c = run.Config;
        ResNet Network() => SmallEncoder.Of(c);
        method = new(
            new MocoOptions(
                c.Int("queue_size"),
                c.Double("momentum"),
                c.Double("temperature"),
                c.Int("dim"),
                mlp,
                c.Bool("symmetric", false),
                c.Int("bn_splits", 1),
                Probe: false
            ),
            new ObjectiveContext(Network(), run.Device) { Another = Network, StepSamples = c.Int("batch") }
        );
        // Not the student's own list, in which the twin's classifier would stand too.
        Encoders = [(method.Student, Part("fc")), (Inside("keyModel", "key_model"), Inside("keyFc", "key_fc"))];
    }

    internal Moco Method => method;

    private (Module Model, Module Head)[] Encoders { get; }

    private Module Part(params string[] names) => method.Children.First(child => names.Contains(child.Name)).Module;

    private Module Inside(params string[] names) => Part(names).Children.Single().Module;

    /// <summary>Names of the demo for those of the network: it is a list of layers.</summary>
    internal static string OfDemo(string name)
    {
        string[] layers = ["conv1", "bn1", "", "layer1", "layer2", "layer3", "layer4", "", "", "fc"];
        var parts = name.Split('.');
        return parts is [var encoder, var layer, ..] && Array.IndexOf(layers, layer) is >= 0 and var index
            ? $"{encoder}.net.{index}.{string.Join('.', parts[2..])}"
            : name;
    }

    protected override void ListMembers(Members members)
    {
        foreach (var (name, buffer) in Part("queue").NamedBuffers().Where(entry => entry.Name != "filled"))
            members.Add(name, buffer);
        foreach (var (name, (model, head)) in ((string[])["encoder_q", "encoder_k"]).Zip(Encoders))
            members.Add(name, new Named([.. model.Children, ("fc", head)]));
    }
}

[Case("moco.step")]
internal sealed class MocoStep : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        run.ExpectBatch("im_q");
        var network = run.Load(new MocoNetwork(run, c.Bool("mlp_head")));
        var method = network.Method;
        method.Follow();
        foreach (var (name, tensor) in network.StateDict())
            run.Output($"after.{name}", tensor);
        var pass = method.Contrast(run.Input("im_q"), run.Input("im_k"));
        run.Output("out.logits", pass.Logits[0]);
        run.Differentiate(run.Output("out.loss", pass.Loss));
        method.Enqueue(pass.Entering);
        foreach (var name in (string[])["queue", "queue_ptr"])
            run.Output($"out.{name}", network.StateDict()[name].To(run.Real));
    }
}

[Case("moco.cifar-step")]
internal sealed class MocoCifarStep : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        run.ExpectBatch("im1");
        var network = run.Load(new MocoNetwork(run, mlp: false), MocoNetwork.OfDemo);
        var method = network.Method;
        method.Follow();
        Tensor[] orders = [.. Enumerable.Range(0, run.Config.Bool("symmetric") ? 2 : 1).Select(i => run.Input($"permutation_{i}"))];
        var pass = method.Contrast(run.Input("im1"), run.Input("im2"), orders);
        run.Output("out.query1", pass.Queries);
        run.Output("out.key2", pass.Keys);
        run.Differentiate(run.Output("out.loss", pass.Loss));
        method.Enqueue(pass.Entering);
        run.Output("out.queue", network.StateDict()["queue"]);
    }
}

[Case("moco.queue")]
internal sealed class MocoQueue : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var queue = new FeatureQueue(c.Int("queue_size"), c.Int("dim"));
        queue.To(run.Device, run.Real);
        var state = queue.StateDict();
        using (Torch.NoGrad())
            state["queue"].Copy_(run.Input("queue"));
        var pointers = new List<double>();
        foreach (var (i, count) in c.Ints("batches").Index())
        {
            var keys = run.Input($"keys_{i}");
            if (keys.Size(0) != count)
                run.Fail($"keys_{i} are {keys.Size(0)}, {count} in 'batches'");
            queue.Enqueue(keys);
            run.Output($"after_{i}", queue.Snapshot());
            pointers.Add(state["queue_ptr"].ToArray<long>()[0]);
        }
        run.Output("ptr", pointers);
    }
}

[Case("moco.split-batch-norm")]
internal sealed class MocoSplitBatchNorm : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        run.ExpectBatch("x");
        c.Expect("channels", run.Input("x").Size(1));
        c.Expect("height", run.Input("x").Size(2));
        var norm = run.Load(new BatchNorm(c.Int("channels"), c.Double("eps"), c.Double("momentum")) { Splits = c.Int("splits") });
        norm.Train();
        run.Output("train", norm.Call(run.Input("x")));
        run.Output("running_mean", norm.RunningMean!.Clone());
        run.Output("running_var", norm.RunningVar!.Clone());
        norm.Eval();
        run.Output("eval", norm.Call(run.Input("x")));
    }
}
