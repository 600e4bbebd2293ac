using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("vitgan.generator")]
internal sealed class VitGanGeneratorCase : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("part", "generator");
        var generator = run.Load(
            new VitGanGenerator(
                new(
                    c.Int("image_size"),
                    c.Int("token_width"),
                    c.Int("num_layers"),
                    c.Int("style_dim"),
                    c.Int("mapping_layers"),
                    c.String("pixel_mapping") switch
                    {
                        "implicit" => VitGanPixelMapping.Implicit,
                        "convolution" => VitGanPixelMapping.Convolution,
                        var other => throw new NotSupportedException($"a pixel mapping '{other}'"),
                    },
                    c.String("attention") switch
                    {
                        "reference_l2" => VitGanAttention.ReferenceL2,
                        "dot" => VitGanAttention.Dot,
                        var other => throw new NotSupportedException($"an attention '{other}'"),
                    },
                    c.Bool("improved_spectral_norm"),
                    c.String("residual", "after_norm") switch
                    {
                        "after_norm" => VitGanResidual.AfterNorm,
                        "pre_norm" => VitGanResidual.PreNorm,
                        var other => throw new NotSupportedException($"a residual '{other}'"),
                    },
                    c.Int("embed_dim"),
                    c.Int("num_heads"),
                    c.Int("mlp_dim"),
                    SigmaInit: c.Object("sigma_init").Entries.ToDictionary(entry => entry.Key, entry => entry.Value.GetDouble())
                )
            )
        );
        using var taps = new Taps(generator, "latent", "tokens");
        run.Output("out.image", generator.Call(run.Input("z")));
        run.Output("out.latent", taps["latent"]);
        run.Output("out.tokens", taps["tokens"]);
    }
}

[Case("vitgan.vit-discriminator")]
internal sealed class VitDiscriminatorCase : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("part", "vit_discriminator");
        var depth = c.Int("depth");
        var discriminator = run.Load(
            new VitDiscriminator(
                new(
                    c.Int("image_size"),
                    c.Int("patch_size"),
                    c.Int("overlap"),
                    c.Int("embed_dim"),
                    depth,
                    c.Int("num_heads"),
                    c.Double("mlp_ratio"),
                    c.Double("layer_norm_eps"),
                    c.String("activation") switch
                    {
                        "silu" => VitDiscriminatorActivation.Silu,
                        "gelu" => VitDiscriminatorActivation.Gelu,
                        var other => throw new NotSupportedException($"an activation '{other}'"),
                    },
                    (int)run.Input("images").Size(1)
                )
            )
        );
        using var taps = new Taps(discriminator, "embedded", "blocks.*.attn.attention");
        run.Output("out.score", discriminator.Call(run.Input("images")));
        run.Output("out.embedded", taps["embedded"]);
        for (var i = 0; i < depth; i++)
            run.Output($"out.attention{i}", taps[$"blocks.{i}.attn.attention"]);
        run.Output("out.weight_u_after", discriminator.StateDict()["patch_embed.weight_u"]);
    }
}

[Case("vitgan.stylegan2-discriminator")]
internal sealed class StyleGan2DiscriminatorCase : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("part", "stylegan2_discriminator");
        run.ExpectBatch("images");
        var discriminator = run.Load(
            new StyleGan2Discriminator(
                new(
                    c.Int("image_size"),
                    c.Bool("small32"),
                    c.Double("channel_multiplier"),
                    c.Int("stddev_group"),
                    Channels: (int)run.Input("images").Size(1)
                )
            )
        );
        using var taps = new Taps(discriminator, "penultimate");
        run.Output("out.score", discriminator.Call(run.Input("images")));
        run.Output("out.penultimate", taps["penultimate"]);
    }
}

[Case("vitgan.stylegan2-generator")]
internal sealed class StyleGan2GeneratorCase : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("part", "stylegan2_generator");
        var generator = run.Load(
            new StyleGan2Generator(
                new(
                    c.Int("image_size"),
                    c.Int("style_dim"),
                    c.Int("mapping_layers"),
                    c.Bool("small32"),
                    c.Double("channel_multiplier"),
                    // Whose style is mixed in, and from where on, is drawn: files of training can only do without.
                    StyleMix: 0
                )
            )
        );
        using var taps = new Taps(generator, "latent", "raw");
        run.Output("out.image", generator.Call(run.Input("z")));
        run.Output("out.raw", taps["raw"]);
        run.Output("out.latent", taps["latent"]);
    }
}
