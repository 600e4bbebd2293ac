using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Optim;
using Tessera.Training;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

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
    internal static BootstrapVit Create(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("activation", "gelu");
        c.Expect("pos_encoding", "learnable");
        return new(
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
                run.Rate("dropout"),
                c.Bool("use_entmax"),
                c.Bool("learnable_entmax_alpha")
            )
        );
    }

    public override void Run(GoldenRun run)
    {
        run.Config.Expect("model", "vit");
        var vit = run.Load(Create(run));
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
    /// <summary>The agent that <paramref name="c"/> describes, for the images and classes of the whole configuration.</summary>
    internal static AgentCnn Create(GoldenRun run, Config c)
    {
        var (conv, mlp) = (c.Object("conv_block"), c.Object("mlp_block"));
        conv.Expect("bias", true);
        mlp.Expect("name", "mlp_cnn");
        c.Object("norm").Expect("name", "bn");
        c.Expect("activation", "gelu");
        var config = WithStem(
            run,
            c.Object("input_proj"),
            new AgentCnn.Config(
                run.Config.Size("image_size"),
                c.Int("embed_dim"),
                c.Int("num_layers"),
                mlp.Int("dim_feedforward"),
                DownSample: c.Ints("down_sample_layers"),
                PreNorm: c.Bool("pre_norm"),
                HiddenDropout: run.Rate(mlp, "dropout"),
                Classes: run.Config.Int("num_classes"),
                Channels: run.Config.Int("in_channels")
            )
        );
        switch (conv.String("name"))
        {
            case "conv_sl":
                conv.ExpectNone("num_heads");
                return new(config);
            case "conv_manyhead":
                return new(config with { Convolution = AgentConvolution.ManyHead, Heads = conv.Int("num_heads") });
            case var other:
                throw new NotSupportedException($"a convolution '{other}'");
        }
    }

    /// <summary>An agent's configuration with the stem that <paramref name="c"/> describes.</summary>
    internal static AgentCnn.Config WithStem(GoldenRun run, Config c, AgentCnn.Config config)
    {
        c.Expect("image_channels", run.Config.Int("in_channels"));
        switch (c.String("name"))
        {
            case "vit_like":
                c.ExpectNone("activation", "mid_channel");
                return config with { Stem = AgentStem.VitLike, Patch = c.Int("patch_size") };
            case "resnet_like":
                c.ExpectNone("patch_size");
                c.Expect("activation", "gelu");
                return config with { Stem = AgentStem.ResnetLike, StemWidth = c.Int("mid_channel") };
            case var other:
                throw new NotSupportedException($"a stem '{other}'");
        }
    }

    public override void Run(GoldenRun run)
    {
        run.Config.Expect("model", "agent_cnn");
        var agent = run.Load(Create(run, run.Config));
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
        {
            var x = run.Input($"x_{k}"); // [B, C, H, W]
            foreach (var (i, key) in new[] { "batch", "embed_dim", "height", "width" }.Index())
                c.Expect(key, x.Size(i));
            run.Output(
                $"y_{k}",
                GridConvolution.Apply(
                    x,
                    GridConvolution.Kernel(run.Input($"qkv_w_{k}"), run.Input($"out_w_{k}"), c.Int("num_heads")),
                    run.Input($"out_b_{k}")
                )
            );
        }
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
            var (sequence, map) = (run.Input($"vit_{k}"), run.Input($"cnn_{k}")); // [1 + N, B, D], [B, D, H, W]
            c.Expect("vit_tokens", sequence.Size(0) - 1);
            foreach (var (i, key) in new[] { "batch", "embed_dim", "height", "width" }.Index())
                c.Expect(key, map.Size(i));
            var tokens = sequence.Slice(0, 1).Transpose(0, 1);
            var agent = map.Flatten(2).Transpose(1, 2);
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
        c.ExpectOneOf("model", "joint_shared", "joint_separate");
        var vit = BootstrappingVit.Create(run);
        // Raw terms of hints are recorded in both directions whatever their weights.
        var options = new BootstrappingOptions(
            shared ? BootstrappingMode.Shared : BootstrappingMode.Joint,
            Temperature: c.Double("kd_temperature"),
            Fading: c.String("hint_decay", "none") switch
            {
                "linear" => true,
                "none" => false,
                var other => throw new NotSupportedException($"hints that fade by '{other}'"),
            },
            HintLayers: c.Has("hint_layers") ? c.Ints("hint_layers") : null,
            NormalisedHints: c.Bool("hint_layer_norm"),
            ResampledHints: c.Bool("hint_auto_resample"),
            Dropout: run.Rate("dropout")
        );
        Bootstrapping method;
        if (shared)
        {
            c.Expect("cnn_norm", "bn");
            var stem = BootstrappingAgent.WithStem(
                run,
                c.Object("cnn_input_proj"),
                new(vit.Options.ImageSize, vit.Options.Dim, vit.Options.Depth, vit.Options.Hidden, Patch: vit.Options.Patch)
            );
            // The agent's grid is the ViT's, or there would be nothing to share.
            if (stem.Patch != vit.Options.Patch)
                throw new NotSupportedException($"an agent of patches of {stem.Patch} beside a ViT of {vit.Options.Patch}");
            options = options with
            {
                Stem = stem.Stem,
                StemWidth = stem.StemWidth,
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
            method = new Bootstrapping(options, vit, BootstrappingAgent.Create(run, c.Object("agent")));
        }
        var both = run.Load(new Named(("models", new Named(("cnn", method.Agent), ("vit", vit)))));
        if (shared)
        {
            var state = both.StateDict();
            foreach (var (name, value) in run.Fields.Object("aliases").Entries)
                if (
                    !state.TryGetValue(name, out var alias)
                    || !state.TryGetValue(value.GetString()!, out var own)
                    || !ReferenceEquals(alias, own)
                )
                    run.Fail($"'{name}' is not the very tensor '{value}'");
        }

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
            ClassificationLosses.CrossEntropy(l, run.Input("labels"))
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
        // Layer i has the weight wi and, where the file has one, the bias bi.
        var layers = Enumerable.Range(1, int.MaxValue).TakeWhile(i => run.HasInput($"w{i}")).ToArray();
        var parameters = layers
            .SelectMany(i => new[] { $"w{i}", $"b{i}" })
            .Where(run.HasInput)
            .Select(name => (Name: name, Parameter: new Parameter(run.Input(name).Detach().Clone())))
            .ToArray();
        Parameter? Of(string name) => parameters.FirstOrDefault(p => p.Name == name).Parameter;
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

        Tensor Loss()
        {
            var x = run.Input("x");
            foreach (var i in layers)
                x = Torch.Linear(i > 1 ? x.Tanh() : x, Of($"w{i}")!, Of($"b{i}"));
            return (x - run.Input("t")).Square().Mean();
        }
    }
}
