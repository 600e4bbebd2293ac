using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Training;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Conformance.Cases;

/// <summary>Members of several modules as one, in the order of their first names in the file.</summary>
internal sealed class Joined(GoldenFile file, params Module[] modules) : Module
{
    protected override void ListMembers(Members members)
    {
        foreach (var name in file.Parameters.Select(p => p.Name.Split('.')[0]).Distinct())
        foreach (var module in modules)
        {
            if (module.Children.FirstOrDefault(child => child.Name == name) is { Module: { } child })
                members.Add(name, child);
            else if (module.StateDict().TryGetValue(name, out var tensor))
                members.Add(name, (Parameter)tensor);
        }
    }
}

[Case("mae.pretrain-step")]
internal sealed class MaePretraining : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("model", "mae");
        var encoder = new Vit(
            new(
                c.Size("image_size"),
                c.Int("patch_size"),
                c.Int("embed_dim"),
                c.Int("depth"),
                c.Int("num_heads"),
                0,
                c.Int("in_channels"),
                c.Double("mlp_ratio"),
                Eps: c.Double("norm_eps")
            )
        );
        var method = new MaskedAutoencoder(
            new(
                c.Double("mask_ratio"),
                c.Bool("norm_pix_loss"),
                c.Int("decoder_embed_dim"),
                c.Int("decoder_depth"),
                c.Int("decoder_num_heads")
            ),
            encoder
        );
        run.Load(new Joined(run.File, encoder, method));
        var pass = method.Reconstruct(encoder, run.Input("x"), run.Input("noise"));
        // The noise decides what is kept; the file says the order that it makes.
        var order = run.Input("noise").Detach().Sort(1).Item2;
        var kept = pass.Latent.Size(1) - encoder.NumPrefixTokens;
        foreach (var (name, ids) in new[] { ("ids_keep", order.Slice(1, 0, kept)), ("ids_restore", order.Sort(1).Item2) })
            if (!ids.ToArray<long>().SequenceEqual(run.Input(name).ToArray<long>()))
                run.Fail($"the noise does not order patches as '{name}' says");
        run.Output("latent", pass.Latent);
        run.Output("pred", pass.Painted);
        run.Output("mask", pass.Mask);
        run.Output("target", pass.Target);
        run.Output("unpatchified", method.Picture(pass.Painted));
        run.Differentiate(run.Output("loss", pass.Loss));
    }
}

[Case("mae.finetune-network")]
internal sealed class MaeFinetuning : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("model", "mae_finetune_vit");
        var vit = new Vit(
            new(
                c.Size("image_size"),
                c.Int("patch_size"),
                c.Int("embed_dim"),
                c.Int("depth"),
                c.Int("num_heads"),
                c.Int("num_classes"),
                c.Int("in_channels"),
                c.Double("mlp_ratio"),
                Pool: c.Bool("global_pool") ? "avg" : "token",
                Eps: c.Double("norm_eps")
            )
        );
        // The reference declares the norm after pooling behind the head.
        run.Load(new Joined(run.File, vit));
        var pooled = run.Output("out.features", vit.ForwardHead(vit.ForwardFeatures(run.Input("x")), preLogits: true));
        run.Output("out.pred", vit.ForwardClassifier(pooled));
    }
}

[Case("mae.tables")]
internal sealed class MaeTables : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        foreach (var grid in c["grids"].EnumerateArray().Select(g => (Side: g[0].GetInt32(), Dim: g[1].GetInt32())))
            run.Output($"sincos_{grid.Side}_{grid.Dim}", PositionTable.GridSine((grid.Side, grid.Side), grid.Dim, 1)[0]);
        run.Output(
            "lr_scale",
            Enumerable.Range(0, c.Int("depth") + 2).Select(layer => LayerDecay.Scale(c.Double("layer_decay"), c.Int("depth"), layer))
        );
        var schedule = c.Object("schedule");
        var cosine = new CosineOptions(
            schedule.Int("epochs"),
            schedule.Double("warmup"),
            MinLearningRate: schedule.Double("min_lr"),
            Form: CosineForm.Mae,
            WarmupLearningRate: 0
        );
        var at = schedule.Doubles("at");
        var steps = Schedules.StepsPerUnit(at);
        run.Output("lr", at.Select(point => cosine.LearningRate(schedule.Double("lr"), (long)Math.Round(point * steps), steps)));
        var table = run.Input("pos");
        var side = (int)Math.Sqrt(table.Size(1) - 1);
        var to = (int)Math.Sqrt(run.File.Outputs["interp"].Shape[1] - 1);
        run.Output("interp", PositionTable.Resample(table, (side, side), (to, to), 1, PositionResampling.Bicubic));
    }
}

[Case("tinymim.relation-loss")]
internal sealed class TinyMimRelations : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var losses = new List<Tensor>();
        foreach (var (k, c) in run.Config.Objects("cases").Index())
        {
            foreach (var (side, key) in new[] { ("sa", "student"), ("ta", "teacher") })
            foreach (var (i, size) in new[] { "batch", "heads", "tokens", $"{key}_head_dim" }.Index())
                c.Expect(size, run.Input($"{side}_{k}").Size(i)); // [B, H, N, D]
            // Between which of q, k and v: a relation of a matrix with itself has one input.
            var second = c.String("relation") switch
            {
                "qq" or "kk" or "vv" => "a",
                ['q' or 'k' or 'v', 'q' or 'k' or 'v'] => "b",
                var other => throw new NotSupportedException($"a relation '{other}'"),
            };
            Tensor Of(string side) => TokenRelations.Log(run.Input($"{side}a_{k}"), run.Input($"{side}{second}_{k}"));
            var student = Of("s");
            run.Output($"rs_{k}", student.Exp());
            losses.Add(run.Output($"loss_{k}", TokenRelations.Loss(student, Of("t"))));
        }
        run.Differentiate(Torch.Stack([.. losses]).Sum());
    }
}

[Case("tinymim.step")]
internal sealed class TinyMimStep : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (s, t) = (c.Object("student"), c.Object("teacher"));
        var image = c.Size("image_size");
        var student = new Vit(Config(s) with { LastHeads = s.Int("last_heads"), DropPath = run.Rate("drop_path"), EvenDropPath = true });
        var teacher = new Vit(Config(t));
        var method = new RelationDistillation(new(new(Model: "vit_tiny_patch16_224"), t.Int("target_block"), Jitter: 0), student, teacher);
        run.Load(new Named(("student", student), ("teacher", teacher)));
        var (loss, ours, theirs) = method.Compare(student, run.Input("x_student"), run.Input("x_teacher"));
        run.Output("student_qk", ours[0].Exp());
        run.Output("student_vv", ours[1].Exp());
        run.Output("teacher_qk", theirs[0].Exp());
        run.Output("teacher_vv", theirs[1].Exp());
        run.Output("qk_loss", loss.Parts["qk"]);
        run.Output("vv_loss", loss.Parts["vv"]);
        run.Differentiate(run.Output("loss", loss.Total));

        Vit.Config Config(Config network) =>
            new(
                image,
                c.Int("patch_size"),
                network.Int("embed_dim"),
                network.Int("depth"),
                network.Int("num_heads"),
                0,
                c.Int("in_channels"),
                network.Double("mlp_ratio"),
                Eps: c.Double("norm_eps")
            );
    }
}
