using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Optim;
using Tessera.Training;

namespace Tessera.Conformance.Cases;

/// <summary>Modules by name, as files list them.</summary>
internal sealed class Named(params (string Name, Module Module)[] modules) : Module
{
    protected override void ListMembers(Members members)
    {
        foreach (var (name, module) in modules)
            members.Add(name, module);
    }
}

[Case("bootstrapping.vit")]
internal sealed class BootstrappingVit : GoldenCase
{
    internal static BootstrapVit Create(Config c) =>
        new(
            new BootstrapVit.Config(
                c.Size("image_size"),
                c.Int("patch_size"),
                c.Int("embed_dim"),
                c.Int("depth"),
                c.Int("num_heads"),
                c.Int("dim_feedforward"),
                c.Int("num_classes"),
                c.Int("in_channels"),
                c.Bool("pre_norm"),
                c.Bool("final_norm"),
                c.Double("norm_eps"),
                c.Double("dropout", 0),
                c.Bool("use_entmax"),
                c.Bool("learnable_entmax_alpha")
            )
        );

    public override void Run(GoldenRun run)
    {
        var vit = run.Load(Create(run.Config));
        using var taps = new Taps(vit, "normed", "transformer.layers.*");
        run.Output("out.pred", vit.Call(run.Input("x")));
        for (var i = 0; i < vit.Options.Depth; i++)
            run.Output($"out.block{i}", taps[vit.BlockPaths[i]].Transpose(0, 1));
        run.Output("out.last", taps["normed"].Transpose(0, 1));
    }
}

[Case("bootstrapping.agent")]
internal sealed class BootstrappingAgent : GoldenCase
{
    internal static AgentCnn Create(Config c, (int, int) image, int channels, int classes)
    {
        var (stem, conv, mlp) = (c.Object("input_proj"), c.Object("conv_block"), c.Object("mlp_block"));
        return new(
            new AgentCnn.Config(
                image,
                c.Int("embed_dim"),
                c.Int("num_layers"),
                mlp.Int("dim_feedforward"),
                conv.String("name") == "conv_sl" ? AgentConvolution.Plain : AgentConvolution.ManyHead,
                conv.Int("num_heads", 9),
                Stem(stem),
                stem.Int("patch_size", 16),
                stem.Int("mid_channel", 64),
                DownSample: c.Ints("down_sample_layers"),
                PreNorm: c.Bool("pre_norm"),
                HiddenDropout: mlp.Double("dropout", 0),
                Classes: classes,
                Channels: channels
            )
        );
    }

    internal static AgentStem Stem(Config c) => c.String("name") == "vit_like" ? AgentStem.VitLike : AgentStem.ResnetLike;

    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var agent = run.Load(Create(c, c.Size("image_size"), c.Int("in_channels"), c.Int("num_classes")));
        using var taps = new Taps(agent, "layers.*");
        run.Output("out.pred", agent.Call(run.Input("x")));
        for (var i = 0; i < agent.Options.Depth; i++)
            run.Output($"out.block{i}", taps[$"layers.{i}"]);
        run.Output("out.blockN", taps[agent.BlockPaths[^1]]);
        run.Output("out.bn_mean", agent.FinalNorm.RunningMean!.Detach());
        run.Output("out.bn_var", agent.FinalNorm.RunningVar!.Detach());
    }
}

[Case("bootstrapping.shared-conv")]
internal sealed class BootstrappingSharedConvolution : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        foreach (var (k, c) in run.Config.Objects("cases").Index())
            run.Output(
                $"y_{k}",
                GridConvolution.Apply(
                    run.Input($"x_{k}"),
                    GridConvolution.Kernel(run.Input($"qkv_w_{k}"), run.Input($"out_w_{k}"), c.Int("num_heads")),
                    run.Input($"out_b_{k}")
                )
            );
    }
}

[Case("bootstrapping.hint-kd-losses")]
internal sealed class BootstrappingLosses : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var terms = new List<Tensor>();
        foreach (var (k, c) in run.Config.Objects("cases").Index())
        {
            var tokens = run.Input($"vit_{k}").Slice(0, 1).Transpose(0, 1);
            var agent = run.Input($"cnn_{k}").Flatten(2).Transpose(1, 2);
            terms.Add(run.Output($"vit_student_{k}", FeatureHints.Hint(tokens, agent, c.Bool("layer_norm"))));
            terms.Add(run.Output($"cnn_student_{k}", FeatureHints.Hint(agent, tokens, c.Bool("layer_norm"))));
        }
        terms.Add(
            run.Output("kl_s_from_t", FeatureHints.Distillation(run.Input("s"), run.Input("t"), run.Config.Double("temperature", 4)))
        );
        run.Differentiate(Torch.Stack([.. terms]).Sum());
    }
}

[Case("bootstrapping.shared-pair")]
[Case("bootstrapping.joint-pair")]
internal sealed class BootstrappingPair : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var shared = c.String("model") == "joint_shared";
        var weights = c.Object("loss_weights");
        var vit = BootstrappingVit.Create(c);
        // Raw terms of hints are recorded in both directions whatever their weights.
        var options = new BootstrappingOptions(
            shared ? BootstrappingMode.Shared : BootstrappingMode.Joint,
            Temperature: c.Double("kd_temperature"),
            Fading: c.String("hint_decay", "none") == "linear",
            HintLayers: c.Has("hint_layers") ? c.Ints("hint_layers") : null,
            NormalisedHints: c.Bool("hint_layer_norm"),
            ResampledHints: c.Bool("hint_auto_resample"),
            Dropout: c.Double("dropout", 0)
        );
        Bootstrapping method;
        if (shared)
        {
            var stem = c.Object("cnn_input_proj");
            options = options with
            {
                Stem = BootstrappingAgent.Stem(stem),
                StemWidth = stem.Int("mid_channel", 64),
                DownSample = c.Ints("down_sample_layers"),
                PreNorm = c.Bool("cnn_pre_norm"),
                Weights = new(
                    weights.Double("cls_cnn"),
                    weights.Double("cls_vit"),
                    weights.Double("kd_cnn"),
                    weights.Double("kd_vit"),
                    Math.Max(weights.Double("hint_cnn"), double.Epsilon),
                    weights.Double("hint_vit")
                ),
            };
            method = new Bootstrapping(options, vit);
        }
        else
        {
            options = options with
            {
                Weights = new(
                    weights.Double("cls"),
                    weights.Double("cls"),
                    weights.Double("kd"),
                    weights.Double("kd"),
                    Math.Max(weights.Double("hint_cnn"), double.Epsilon),
                    weights.Double("hint_vit")
                ),
            };
            method = new Bootstrapping(
                options,
                BootstrappingAgent.Create(c.Object("agent"), c.Size("image_size"), c.Int("in_channels"), c.Int("num_classes"))
            );
        }
        run.Load(new Named(("models", new Named(("cnn", method.Agent), ("vit", vit)))));

        using var ofVit = new Taps(vit, [.. vit.BlockPaths]);
        var logits = run.Output("pred_vit", vit.Call(run.Input("x")));
        ofVit.Dispose();
        using var ofAgent = new Taps(method.Agent, "layers.*");
        var agentLogits = run.Output("pred_cnn", method.Agent.Call(run.Input("x")));
        ofAgent.Dispose();
        Tensor[] maps = [.. method.Agent.BlockPaths.Select(path => ofAgent[path])];
        Tensor[] tokens = [.. vit.BlockPaths.Select(path => ofVit[path])];
        for (var i = 0; i < maps.Length; i++)
        {
            run.Output($"feat_cnn_{i}", maps[i]);
            run.Output($"feat_vit_{i}", tokens[i].Transpose(0, 1));
        }
        var terms = method.Terms(logits, agentLogits, [.. tokens.Select(t => t.Slice(1, 1))], maps, l =>
            Losses.CrossEntropy(l, run.Input("labels"))
        );
        int[] layers = [.. options.HintLayers ?? Enumerable.Range(0, tokens.Length)];
        if (shared)
            Shared();
        else
            Joint();
        run.Output("bn_mean", method.Agent.FinalNorm.RunningMean!.Detach());
        run.Output("bn_var", method.Agent.FinalNorm.RunningVar!.Detach());

        void Shared()
        {
            run.Output("joint.cls_cnn", terms.AgentLabels);
            run.Output("joint.cls_vit", terms.Labels);
            run.Output("joint.kd_cnn.vit", terms.AgentDistillation);
            run.Output("joint.kd_vit.cnn", terms.Distillation);
            foreach (var (k, layer) in layers.Index())
            {
                run.Output($"joint.hint_cnn.vit_layer_{layer}", terms.AgentHints[k]);
                run.Output($"joint.hint_vit.cnn_layer_{layer}", terms.Hints[k]);
            }
            run.Differentiate(run.Output("total", method.Total(terms, Progress())));
        }

        void Joint()
        {
            run.Output("cnn.cls", terms.AgentLabels);
            run.Output("vit.cls", terms.Labels);
            run.Output("cnn.kd.vit", terms.AgentDistillation);
            run.Output("vit.kd.cnn", terms.Distillation);
            foreach (var (k, layer) in layers.Index())
            {
                run.Output($"cnn.hint_cnn.vit_layer_{layer}", terms.AgentHints[k]);
                run.Output($"vit.hint_vit.cnn_layer_{layer}", terms.Hints[k]);
            }
            // No term reaches both networks: the sum of both totals has the gradients of each.
            var w = options.Weights;
            run.Output(
                "total_cnn",
                w.AgentLabels * terms.AgentLabels
                    + w.AgentDistillation * terms.AgentDistillation
                    + w.AgentHints * Torch.Stack([.. terms.AgentHints]).Sum()
            );
            run.Output(
                "total_vit",
                w.Labels * terms.Labels
                    + w.Distillation * terms.Distillation
                    + w.Hints * FeatureHints.Decay(c.Int("epoch"), c.Int("total_epochs")) * Torch.Stack([.. terms.Hints]).Sum()
            );
            run.Differentiate(method.Total(terms, Progress()));
        }

        Progress Progress() => new(c.Int("epoch"), c.Int("total_epochs"), 0, 1);
    }
}

[Case("bootstrapping.sam-step", Steps = true)]
internal sealed class BootstrappingSam : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var parameters = run
            .File.Inputs.Keys.Where(name => name[0] is 'w' or 'b')
            .Select(name => (Name: name, Parameter: new Parameter(run.Input(name).Detach().Clone())))
            .ToArray();
        Parameter Of(string name) => parameters.First(p => p.Name == name).Parameter;
        ParameterGroup[] groups = [new([.. parameters], c.Double("weight_decay"))];
        Optimizer optimizer = c.String("base") switch
        {
            "AdamW" => new AdamW(groups, c.Double("lr"), c.Doubles("betas")[0], c.Doubles("betas")[1], c.Double("eps")),
            "SGD" => new Sgd(groups, c.Double("lr"), c.Double("momentum", 0), c.Bool("nesterov", false)),
            var other => throw new NotSupportedException($"an optimiser '{other}'"),
        };
        for (var step = 0; step < c.Int("steps"); step++)
        {
            optimizer.ZeroGrad();
            Tensor loss = Loss();
            run.Output($"loss_{step}", loss.Detach());
            loss.Backward();
            using (new SharpnessAware(parameters.Select(p => p.Parameter), c.Double("rho"), c.Bool("adaptive")))
            {
                optimizer.ZeroGrad();
                var moved = Loss();
                run.Output($"moved_loss_{step}", moved.Detach());
                moved.Backward();
            }
            optimizer.Step();
        }
        foreach (var (name, parameter) in parameters)
            run.Output(name, parameter.Detach());

        Tensor Loss() => (Torch.Linear(Torch.Linear(run.Input("x"), Of("w1"), Of("b1")).Tanh(), Of("w2")) - run.Input("t")).Square().Mean();
    }
}
