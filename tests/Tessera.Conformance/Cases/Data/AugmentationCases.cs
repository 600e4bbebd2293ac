using System.Globalization;
using System.Text.Json;
using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Conformance.Cases.Data;

/// <summary>Operations whose calls are outputs by name, <c>Op(argument)</c>, with what follows a colon left out.</summary>
internal static class Calls
{
    /// <summary>Checks that operations are called with the arguments that the configuration lists, all of them and no other.</summary>
    public static void Expect(GoldenRun run, string key, double[] arguments, params string[] operations)
    {
        foreach (var operation in operations)
        {
            var called = run
                .File.Outputs.Keys.Where(name => name.StartsWith($"{operation}(", StringComparison.Ordinal))
                .Select(name => double.Parse(name.Split('(', ')')[1], CultureInfo.InvariantCulture))
                .ToHashSet();
            if (!called.SetEquals(arguments))
                throw new GoldenMismatchException(
                    $"'config.{key}' is [{string.Join(", ", arguments)}], but outputs call {operation} with [{string.Join(", ", called)}]"
                );
        }
    }
}

[Case("augmentation.photometric", OnCpu = true)]
internal sealed class Photometric : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        string[] enhancements = ["Color", "Contrast", "Brightness", "Sharpness"];
        var factors = run.Config.Doubles("factors");
        Calls.Expect(run, "factors", factors, enhancements);
        foreach (var name in run.File.Outputs.Keys)
        {
            var (call, input) = name.Split(':') is [var head, _] ? (head, "image_degenerate") : (name, "image");
            var canvas = Images.OnCanvas(Images.Read(run, input));
            var parts = call.TrimEnd(')').Split('(');
            Apply(parts[0], parts.Length > 1 ? double.Parse(parts[1], CultureInfo.InvariantCulture) : 0, canvas);
            if (call == "Grayscale")
                run.Output(name, canvas.Image.Plane(0).ToArray().Select(value => (double)value), canvas.Image.Height, canvas.Image.Width);
            else
                Images.Write(run, name, canvas.Image);
        }
    }

    private static void Apply(string op, double argument, Canvas canvas)
    {
        var random = new SampleRandom(0, 0, 0);
        switch (op)
        {
            case "Grayscale":
                ColorOps.Grayscale(canvas.Image);
                break;
            case "Hue":
                HueOps.Rotate(canvas.Image, argument);
                break;
            default:
                LeveledOp.All[op].Apply(canvas, argument, new(), ref random);
                break;
        }
    }
}

[Case("augmentation.geometric", OnCpu = true)]
internal sealed class Geometric : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var image = Images.Read(run, "image");
        var fill = run.Config.Ints("fill").Select(value => (byte)value).ToArray();
        var random = new SampleRandom(0, 0, 0);
        Calls.Expect(run, "shear", run.Config.Doubles("shear"), "ShearX", "ShearY");
        Calls.Expect(run, "translate_px", run.Config.Doubles("translate_px"), "TranslateX", "TranslateY");
        Calls.Expect(run, "rotate", run.Config.Doubles("rotate"), "Rotate");
        foreach (var name in run.File.Outputs.Keys)
        {
            var canvas = Images.OnCanvas(image, fill);
            if (name == "HorizontalFlip")
                new RandomHorizontalFlip(1).Apply(canvas, ref random);
            else if (name == "VerticalFlip")
                new RandomVerticalFlip(1).Apply(canvas, ref random);
            else
            {
                var parts = name.Split('(', ')', ':');
                LeveledOp
                    .All[parts[0]]
                    .Apply(
                        canvas,
                        double.Parse(parts[1], CultureInfo.InvariantCulture),
                        new(Enum.Parse<Interpolation>(parts[3], ignoreCase: true)),
                        ref random
                    );
            }
            Images.Write(run, name, canvas.Image);
        }
    }
}

[Case("deit.randaugment-ops", OnCpu = true)]
internal sealed class RandAugmentOps : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var image = Images.Read(run, "image");
        var fill = run.Config.Ints("fill").Select(value => (byte)value).ToArray();
        var settings = new OpSettings(Enum.Parse<Interpolation>(run.Config.String("interpolation"), ignoreCase: true));
        var random = new SampleRandom(0, 0, 0);
        var magnitudes = run.Config.Doubles("magnitudes");
        foreach (var (name, argument) in run.Config.Object("calls").Entries)
        {
            // Op, Op_mMAGNITUDE, Op_mMAGNITUDE_plus or Op_mMAGNITUDE_minus: the argument is the operation's at that magnitude.
            var parts = name.Split('_');
            var op = LeveledOp.All[parts[0]];
            if (parts.Length > 1)
            {
                var magnitude = double.Parse(parts[1].TrimStart('m'), CultureInfo.InvariantCulture);
                var ours = op.Argument(magnitude, parts[^1] == "minus", settings);
                if (!magnitudes.Contains(magnitude) || Math.Abs(ours - argument.GetDouble()) > 1e-9 * Math.Max(1, Math.Abs(ours)))
                    run.Fail($"{name}: an argument of {ours} at one of the magnitudes listed, {argument.GetDouble()} in the file");
            }
            var canvas = Images.OnCanvas(image, fill);
            op.Apply(canvas, argument.ValueKind == JsonValueKind.Null ? 0 : argument.GetDouble(), settings, ref random);
            Images.Write(run, name, canvas.Image);
        }
    }
}

[Case("augmentation.resize", OnCpu = true)]
internal sealed class Resizing : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var image = Images.Read(run, "image");
        var box = run.Config.Doubles("box");
        var sizes = Sizes(run.Config, "sizes");
        var random = new SampleRandom(0, 0, 0);
        foreach (var name in run.File.Outputs.Keys)
        {
            var canvas = Images.OnCanvas(image);
            // OPERATION HEIGHTxWIDTH:FILTER
            var words = name.Split(' ', ':');
            int[] size = words is [_, var asked, _] ? [.. asked.Split('x').Select(int.Parse)] : [];
            if (size.Length > 0 && !sizes.Any(listed => listed.SequenceEqual(size)))
                run.Fail($"{name}: a size that 'config.sizes' does not list");
            switch (words[0])
            {
                case "resize" or "box":
                    Resampling.Resize(
                        canvas,
                        size[0],
                        size[1],
                        Enum.Parse<Interpolation>(words[2], ignoreCase: true),
                        words[0] == "box" ? new(box[0], box[1], box[2], box[3]) : null
                    );
                    Images.Write(run, name, canvas.Image);
                    break;
                case "eval":
                    var crop = words[1].Split('/');
                    new EvaluationCrop(
                        int.Parse(crop[0], CultureInfo.InvariantCulture),
                        double.Parse(crop[1], CultureInfo.InvariantCulture)
                    ).Apply(canvas, ref random);
                    Images.Write(run, name, canvas.Image);
                    break;
                case "torch" or "torch-noaa":
                    (long, long) target = (size[0], size[1]);
                    var floats = (run.Input("image").To(run.Real) / 255).Permute([2, 0, 1]).Unsqueeze(0).Contiguous();
                    run.Output(
                        name,
                        (words[0], words[2]) switch
                        {
                            ("torch", "bilinear") => Torch.UpsampleBilinear2dAa(floats, target, false, null),
                            ("torch", "bicubic") => Torch.UpsampleBicubic2dAa(floats, target, false, null),
                            (_, "bilinear") => Torch.UpsampleBilinear2d(floats, target, false, null),
                            (_, "bicubic") => Torch.UpsampleBicubic2d(floats, target, false, null),
                            var (_, other) => throw new NotSupportedException($"an interpolation '{other}'"),
                        }
                    );
                    break;
                case "normalized":
                    // The file's image is in double, mean and deviation in single precision; the loader's table is single throughout.
                    var rule = Normalization.ImageNet;
                    var table = rule.Table(3);
                    run.Output(
                        name,
                        Enumerable
                            .Range(0, image.Values.Length)
                            .Select(i => (c: i / image.PlaneSize, v: image.Values[i]))
                            .Select(p =>
                                run.Real == DType.Float32 ? table[p.c * 256 + p.v] : (p.v / 255.0 - rule.Mean[p.c]) / rule.Deviation[p.c]
                            ),
                        1,
                        3,
                        image.Height,
                        image.Width
                    );
                    break;
            }
        }
    }

    /// <summary>A list of [first, second] sizes.</summary>
    internal static int[][] Sizes(Config c, string key) =>
        [.. c[key].EnumerateArray().Select(size => size.EnumerateArray().Select(v => v.GetInt32()).ToArray())];
}

[Case("deit.pillow-resize", OnCpu = true)]
internal sealed class PillowResize : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var image = Images.Read(run, "image");
        var targets = Resizing.Sizes(run.Config, "targets");
        foreach (var name in run.File.Outputs.Keys)
        {
            // FILTER_WIDTHxHEIGHT
            var parts = name.Split('_');
            int[] size = [.. parts[1].Split('x').Select(int.Parse)];
            if (!targets.Any(listed => listed.SequenceEqual(size)))
                run.Fail($"{name}: a size that 'config.targets' does not list");
            var canvas = Images.OnCanvas(image);
            Resampling.Resize(canvas, size[1], size[0], Enum.Parse<Interpolation>(parts[0], ignoreCase: true));
            Images.Write(run, name, canvas.Image);
        }
    }
}

[Case("augmentation.random-resized-crop", OnCpu = true)]
internal sealed class RandomResizedCropBoxes : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var (height, width) = (run.Config.Int("height"), run.Config.Int("width"));
        var (scale, ratio) = (run.Config.Doubles("scale"), run.Config.Doubles("ratio"));
        var crop = new RandomResizedCrop(MinScale: scale[0], MaxScale: scale[1], MinRatio: ratio[0], MaxRatio: ratio[1]);
        // The draws are doubles, whatever precision the run is in: [cases, attempts, 2] and [cases, 2].
        var (draws, offsets) = (run.Literal("draws"), run.Literal("offsets"));
        var cases = offsets.Length / 2;
        var attempts = draws.Length / 2 / cases;
        var boxes = new List<double>();
        for (var i = 0; i < cases; i++)
        {
            var fit = Enumerable
                .Range(i * attempts, attempts)
                .Select(k => Fit(draws[2 * k], draws[2 * k + 1]))
                .FirstOrDefault(size => size is not null);
            var (top, left, h, w) = fit is { } size
                ? (
                    (int)(offsets[2 * i] * (height - size.Height + 1)),
                    (int)(offsets[2 * i + 1] * (width - size.Width + 1)),
                    size.Height,
                    size.Width
                )
                : crop.Central(height, width);
            boxes.AddRange([top, left, h, w]);
        }
        run.Output("boxes", boxes, boxes.Count / 4, 4);

        // Attempts after the one that fits were not drawn.
        (int Height, int Width)? Fit(double share, double logRatio)
        {
            if (share < scale[0] || share > scale[1] || Math.Exp(logRatio) < ratio[0] - 1e-12 || Math.Exp(logRatio) > ratio[1] + 1e-12)
                throw new GoldenMismatchException($"a draw of {share} and {logRatio} is outside of 'config.scale' or 'config.ratio'");
            return RandomResizedCrop.Fit(height, width, share, logRatio);
        }
    }
}

[Case("augmentation.randaugment-levels", OnCpu = true)]
internal sealed class RandAugmentLevels : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var levels = c.Doubles("levels");
        var defaults = c.Object("defaults");
        var settings = new OpSettings(
            TranslateShare: defaults.Double("translate_pct"),
            TranslatePixels: defaults.Double("translate_const")
        );
        foreach (var name in run.File.Outputs.Keys)
        {
            var parts = name.Split(':');
            run.Output(name, levels.Select(level => LeveledOp.All[parts[1]].Argument(level, parts[0] == "negative", settings)));
        }
        var policy = new RandAugment("rand-m9").Effective;
        defaults.Expect("prob", policy.Probability);
        defaults.Expect("num_layers", policy.Operations);
        defaults.Expect("level_denominator", LeveledOp.Denominator);
        // There is no AugMix here, but there are its operations.
        foreach (var name in c.Strings("augmix_ops").Where(name => !LeveledOp.All.ContainsKey(name)))
            run.Fail($"augmix_ops: no operation '{name}'");
        Same("rand_ops", new RandAugment("rand-m9").OperationNames, c.Strings("rand_ops"));
        Same("rand_increasing_ops", new RandAugment("rand-m9-inc1").OperationNames, c.Strings("rand_increasing_ops"));
        var weighted = new RandAugment("rand-m9-t3a");
        Same(
            "weighted_3a",
            weighted.OperationNames.Zip(weighted.OperationWeights, (name, weight) => $"{name} {weight}"),
            c.Object("weighted_3a").Entries.Select(entry => $"{entry.Key} {entry.Value.GetDouble()}")
        );
        foreach (var (name, table) in c.Object("policies").Entries)
        {
            var ours = new AutoAugment(name.Replace("torchvision_", "", StringComparison.Ordinal)).SubPolicies.Select(sub =>
                string.Join("; ", sub.Select(e => string.Create(CultureInfo.InvariantCulture, $"{e.Name} {e.Probability} {e.Level}")))
            );
            Same(
                name,
                ours,
                table
                    .EnumerateArray()
                    .Select(sub =>
                        string.Join(
                            "; ",
                            sub.EnumerateArray()
                                .Select(e => FormattableString.Invariant($"{e[0].GetString()} {e[1].GetDouble()} {Level(e[2])}"))
                        )
                    )
            );
        }
        Space("torchvision_space_32", name => AugmentSpace.Torchvision(name, 10, 32, 32));
        Space("torchvision_randaugment_space_224_31bins", name => AugmentSpace.Torchvision(name, 31, 224, 224));
        Space("torchvision_trivialaugment_space", name => AugmentSpace.Trivial(name));

        static string Level(JsonElement level) => level.ValueKind == JsonValueKind.Null ? "" : $"{level.GetInt32()}";

        void Same(string what, IEnumerable<string> ours, IEnumerable<string> theirs)
        {
            if (!ours.SequenceEqual(theirs))
                run.Fail($"{what} differs");
        }

        void Space(string key, Func<string, (double[]? Values, bool Signed)> ours)
        {
            foreach (var (name, entry) in c.Object(key).Entries)
            {
                var (values, signed) = ours(name);
                var theirs =
                    entry[0].ValueKind == JsonValueKind.Null ? null : entry[0].EnumerateArray().Select(v => v.GetDouble()).ToArray();
                // Recorded in single precision.
                var same = values is null
                    ? theirs is null
                    : theirs is not null
                        && values.Length == theirs.Length
                        && values.Zip(theirs).All(p => Math.Abs(p.First - p.Second) <= 1e-6 * Math.Max(1, Math.Abs(p.Second)));
                if (!same || signed != entry[1].GetBoolean())
                    run.Fail($"{key}: {name} differs: {string.Join(" ", values ?? [])}");
            }
        }
    }
}

[Case("augmentation.repeated-augmentation", OnCpu = true)]
internal sealed class RepeatedAugmentationIndices : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        foreach (var c in run.Config.Objects("cases"))
        {
            var order = new RepeatedAugmentation(c.Int("num_repeats"), c.Int("selected_round"), Shuffle: false).Order(
                c.Int("dataset_length"),
                0,
                0,
                new(c.Int("rank"), c.Int("num_replicas"))
            );
            var name = c.String("name");
            if (order.Length != c.Int("count"))
                run.Fail($"{name}: {order.Length} samples, {c.Int("count")} in the file");
            run.Output(name, order.Take((int)run.File.Outputs[name].Shape[0]).Select(draw => (double)draw.Index));
        }
    }
}

[Case("deit.repeated-augmentation", OnCpu = true)]
internal sealed class DeitRepeatedAugmentation : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        for (var rank = 0; rank < c.Int("replicas"); rank++)
            run.Output(
                $"rank{rank}",
                new RepeatedAugmentation(c.Int("num_repeats"), Shuffle: c.Bool("shuffle"))
                    .Order(c.Int("dataset_size"), 0, 0, new(rank, c.Int("replicas")))
                    .Select(draw => (double)draw.Index)
            );
    }
}
