using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Conformance.Cases;

[Case("drloc.loss")]
internal sealed class DrlocLoss : GoldenCase
{
    internal static LocalizationTarget Target(string mode, Config c) =>
        new(
            mode switch
            {
                "l1" => LocalizationMode.L1,
                "ce" => LocalizationMode.Ce,
                "cbr" => LocalizationMode.Cbr,
                var other => throw new NotSupportedException($"a mode '{other}'"),
            },
            c.Bool("use_abs"),
            c.Bool("normalize")
        );

    public override void Run(GoldenRun run)
    {
        var cases = run.Config.Objects("cases").ToArray();
        var modules = cases
            .Select(
                (c, k) =>
                {
                    var plane = c.Has("pool") ? (c.Int("plane") + 1) / 2 : c.Int("plane");
                    return (
                        $"case_{k}",
                        (Module)
                            new RelativeLocalization(
                                c.Int("channels"),
                                c.Bool("use_abs") ? plane : 2 * plane - 1,
                                Target(c.String("mode"), c)
                            )
                    );
                }
            )
            .ToArray();
        run.Load(new Named(modules));
        var losses = new List<Tensor>();
        foreach (var (k, c) in cases.Index())
        {
            // [B, C, plane, plane] and pairs of positions, [B, samples, 2]
            foreach (var (i, key) in new[] { "batch", "channels", "plane", "plane" }.Index())
                c.Expect(key, run.Input($"f_{k}").Size(i));
            c.Expect("samples", run.Input($"a_{k}").Size(1));
            var localization = (RelativeLocalization)modules[k].Item2;
            var map = run.Input($"f_{k}");
            if (c.Has("pool"))
            {
                c.Expect("pool", "avg3s2");
                map = map.AvgPool2d(3, 2, 1, countIncludePad: false);
            }
            var (first, second) = (run.Input($"a_{k}"), run.Input($"b_{k}"));
            var prediction = run.Output($"pred_{k}", localization.Predict(map, first, second));
            var targets = localization.Targets(map, first, second);
            run.Output($"target_{k}", targets.To(run.Real));
            losses.Add(run.Output($"loss_{k}", localization.Loss(prediction, targets)));
        }
        run.Differentiate(Torch.Stack([.. losses]).Sum());
    }
}

[Case("drloc.swin-step")]
internal sealed class DrlocSwinStep : GoldenCase
{
    // The reference's Swin holds the networks between its layers and its norm: one, or a list of them.
    private sealed class WithNetworks(Swin swin, Module networks) : Module
    {
        protected override void ListMembers(Members members)
        {
            foreach (var (name, child) in swin.Children)
            {
                members.Add(name, child);
                if (name == "layers")
                    members.Add("drloc", networks);
            }
        }
    }

    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("model", "swin");
        c.Expect("samples", run.Input("a_0").Size(1));
        var swin = new Swin(
            new(
                c.Size("image_size"),
                c.Int("embed_dim"),
                c.Ints("depths"),
                c.Ints("num_heads"),
                c.Int("window_size"),
                c.Int("patch_size"),
                c.Int("num_classes"),
                c.Int("in_channels"),
                c.Double("mlp_ratio"),
                c.Bool("qkv_bias"),
                PatchNorm: c.Bool("patch_norm"),
                DropPath: run.Rate("drop_path")
            )
        );
        var target = DrlocLoss.Target(c.String("drloc_mode"), c);
        var term = new RelativeLocalizationLoss(
            new(target.Mode, UseAbs: target.Absolute, Normalize: target.Normalized, MultiLevel: c.Bool("multi_level")),
            swin
        );
        run.Load(new WithNetworks(swin, new ModuleList<RelativeLocalization>(term.Levels)));
        var images = run.Input("x");
        using var taps = new Taps(swin, [.. term.Paths]);
        var logits = run.Output("pred", swin.Call(images));
        taps.Dispose();
        Tensor[] levels =
        [
            .. term.Levels.Select(
                (localization, level) =>
                {
                    var map = term.MapOf(swin, level, taps[term.Paths[level]], images);
                    var (first, second) = (run.Input($"a_{level}"), run.Input($"b_{level}"));
                    return run.Output(
                        $"drloc_{level}",
                        localization.Loss(localization.Predict(map, first, second), localization.Targets(map, first, second))
                    );
                }
            ),
        ];
        var classification = run.Output("loss_cls", ClassificationLosses.CrossEntropy(logits, run.Input("labels")));
        var localizationLoss = run.Output("loss_drloc", Torch.Stack(levels).Sum());
        run.Differentiate(run.Output("total", classification + c.Double("drloc_weight") * localizationLoss));
    }
}
