using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;

namespace Tessera.Conformance.Cases;

[Case("transkd.step")]
internal sealed class TransKdStep : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var x = run.Input("x");
        c.Expect("height", x.Size(2));
        c.Expect("width", x.Size(3));
        var kind = c.String("variant") switch
        {
            "base" => TransKdKind.Base,
            "gl" => TransKdKind.Gl,
            "ea" => TransKdKind.Ea,
            var other => throw new GoldenMismatchException($"'variant' is '{other}', base, gl or ea was expected"),
        };
        if (kind != TransKdKind.Gl)
            c.ExpectNone("gl_mixer_heads");
        var (dropout, dropPath) = (run.Rate("dropout"), run.Rate("drop_path"));
        var student = Network(c.Object("student"), x, dropout, dropPath);
        var teacher = Network(c.Object("teacher"), x, dropout, dropPath);
        var weights = c.Doubles("embed_weights");
        var method = new TransKd(
            student,
            teacher,
            new(
                kind,
                c.Int("csf_mid_channels"),
                c.Int("csf_reduced"),
                FeatureWeight: c.Double("feature_weight"),
                EmbeddingWeights: weights,
                MixerHeads: c.Int("gl_mixer_heads", 8)
            )
        );
        run.Load(new WithTeacher(method), Name);
        teacher.Eval();

        var outputs = method.Run(x);
        var classes = Tensor.From(c.Doubles("class_weights")).To(run.Real).To(run.Device);
        var loss = method.Loss(outputs, run.Input("labels"), classes);
        run.Output("logits", outputs.Logits);
        run.Output("ce", loss.Parts["class_loss"]);
        run.Output("total", loss.Total);
        foreach (var (i, hcl) in method.FeatureLosses(outputs).Index())
        {
            run.Output($"hcl_{i}", hcl);
            run.Output($"fused_{i}", outputs.Features[i]);
            run.Output($"teacher_feat_{i}", outputs.TeacherFeatures[i]);
        }
        foreach (var (i, mse) in TransKd.EmbeddingLosses(outputs).Index())
        {
            run.Output($"embed_mse_{i}", mse);
            run.Output($"proj_{i}", outputs.Embeddings[i]);
            run.Output($"teacher_embed_{i}", outputs.TeacherEmbeddings[i]);
        }
    }

    // Files name encoder and decoder of a network as one.
    private static string Name(string ours)
    {
        foreach (var role in new[] { "student.", "teacher." })
        foreach (var part in new[] { "backbone.", "decode_head." })
            if (ours.StartsWith(role + part, StringComparison.Ordinal))
                return role + ours[(role.Length + part.Length)..];
        return ours;
    }

    private static SegFormer Network(Config c, Tensor x, double dropout, double dropPath)
    {
        c.Expect("sr_norm_eps", c.Double("patch_embed_norm_eps"));
        var ratio = c.Double("mlp_ratio");
        var encoder = new Mit(
            new PvtV2.Config(
                ((int)x.Size(2), (int)x.Size(3)),
                c.Ints("embed_dims"),
                c.Ints("depths"),
                c.Ints("num_heads"),
                [.. c.Ints("depths").Select(_ => ratio)],
                c.Ints("sr_ratios"),
                Classes: 0,
                Eps: c.Double("norm_eps"),
                EmbedEps: c.Double("patch_embed_norm_eps"),
                DropPath: dropPath
            )
        );
        return new SegFormer(
            encoder,
            new SegFormerHead(new(c.Ints("embed_dims"), c.Int("decoder_embed_dim"), c.Int("num_classes"), UnusedWidth: null, dropout))
        );
    }

    /// <summary>Files hold the teacher after all else.</summary>
    private sealed class WithTeacher(TransKd method) : Module
    {
        protected override void ListMembers(Members members)
        {
            foreach (var (name, parameter) in method.NamedParameters().Where(p => !p.Name.Contains('.', StringComparison.Ordinal)))
                members.Add(name, parameter);
            foreach (var (name, child) in method.Children)
                members.Add(name, child);
            members.Add("teacher", method.Teacher);
        }
    }
}

[Case("transkd.feature-losses")]
internal sealed class TransKdFeatureLosses : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        Tensor? total = null;
        foreach (var (i, c) in run.Config.Objects("cases").Index())
        {
            var (student, teacher) = (run.Input($"s_{i}"), run.Input($"t_{i}"));
            c.Expect("shape", student.Shape.ToArray());
            foreach (
                var loss in new[]
                {
                    run.Output($"hcl_{i}", FeatureDistillation.Pyramid(student, teacher)),
                    run.Output($"cwd_{i}", FeatureDistillation.ChannelWise(student, teacher, c.Double("temperature"))),
                }
            )
                total = total is null ? loss : total + loss;
        }
        run.Differentiate(total!);
    }
}
