using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Objectives.Adversarial;

namespace Tessera.Conformance.Cases;

[Case("vitgan.diffaugment")]
internal sealed class VitGanDiffAugment : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("part", "diffaugment");
        run.ExpectBatch("images");
        c.Expect("image_size", run.Input("images").Size(2));
        var draws = c.Object("draws");
        var policy = c.String("policy").Split(',');
        var parts = new Dictionary<string, Func<Tensor, Tensor>>
        {
            ["color"] = x =>
            {
                x = DiffAugment.Brightness(x, Numbers("brightness"), Flags("apply_brightness"));
                x = DiffAugment.Saturation(x, Numbers("saturation"), Flags("apply_saturation"));
                return DiffAugment.Contrast(x, Numbers("contrast"), Flags("apply_contrast"));
            },
            ["translation"] = x =>
            {
                x = DiffAugment.Translation(x, Numbers("t_rows"), Numbers("t_columns"), Flags("apply_translation"));
                return DiffAugment.Flip(x, Flags("apply_flip"));
            },
            ["cutout"] = x => DiffAugment.Cutout(x, Numbers("o_rows"), Numbers("o_columns"), Flags("apply_cutout")),
        };
        var augmented = run.Output(
            "augmented",
            DiffAugment.Centred(run.Input("images"), x => policy.Aggregate(x, (made, part) => parts[part](made)))
        );
        run.Differentiate((augmented * GoldenRun.Cotangent("out", augmented)).Sum());
        // Draws may stand there for parts that the policy leaves out: they do nothing.
        foreach (var (part, names) in Draws.Where(entry => !policy.Contains(entry.Part)))
        foreach (var name in names.Where(draws.Has))
            _ = draws[name];

        Tensor Numbers(string name) => Tensor.From(draws.Doubles(name)).To(run.Real).To(run.Device);

        Tensor Flags(string name) => Numbers(name).To(DType.Bool);
    }

    private static readonly (string Part, string[] Names)[] Draws =
    [
        ("color", ["brightness", "saturation", "contrast", "apply_brightness", "apply_saturation", "apply_contrast"]),
        ("translation", ["t_rows", "t_columns", "apply_translation", "apply_flip"]),
        ("cutout", ["o_rows", "o_columns", "apply_cutout"]),
    ];
}

[Case("vitgan.discriminator-step")]
internal sealed class VitGanDiscriminatorStep : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("part", "discriminator_step");
        foreach (var name in (string[])["real", "fake"])
            run.ExpectBatch(name);
        var side = c.Int("image_size");
        // The file has no flag for narrow maps: the first one tells.
        var wide = new StyleGan2DiscriminatorOptions(Small32: false);
        var first = run.File.Parameters.Single(p => p.Name == "layers.0.0.weight").Shape[0];
        var discriminator = run.Load(
            new StyleGan2Discriminator(new(side, Small32: side <= 32 && first < wide.Widest, Channels: (int)run.Input("real").Size(1)))
        );
        var options = new VitGanOptions(wide, R1: c.Double("r1_weight"), BcrReal: c.Double("bcr_real"), BcrFake: c.Double("bcr_fake"));
        var calls = 0;
        var terms = DiscriminatorTerms.Of(
            discriminator,
            options,
            run.Input("real"),
            run.Input("fake"),
            images => calls++ == 0 ? images : images.Flip(3),
            penalized: true
        );
        run.Output("d_loss", terms.Adversarial);
        run.Output("bcr", terms.Consistency ?? terms.Total.ZerosLike());
        run.Output("r1", terms.R1!);
        run.Differentiate(run.Output("total", terms.Total));
        run.Output("g_loss", AdversarialLosses.Generator(discriminator.Call(run.Input("fake"))));
    }
}
