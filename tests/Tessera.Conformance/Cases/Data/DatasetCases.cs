using System.Text.Json;
using Tessera.Checkpoints;
using Tessera.Data;
using Tessera.Data.Formats;
using Tessera.Data.Sets;

namespace Tessera.Conformance.Cases.Data;

[Case("datasets.samples", OnCpu = true)]
internal sealed class DatasetSamples : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var folder = Path.GetDirectoryName(run.File.Path)!;
        foreach (var (file, entry) in run.File.Root.GetProperty("files").EnumerateObject().Select(p => (p.Name, p.Value)))
        {
            var path = Path.Combine(folder, file);
            var format = entry.GetProperty("format").GetString()!;
            void Same<T>(string what, IEnumerable<T> ours, string key) =>
                Compare(run, $"{file}: {what}", ours.Select(value => Convert.ToDouble(value)), entry.GetProperty(key));
            void Pixels(string what, IEnumerable<byte> ours, string rule)
            {
                var pixels = ours.ToArray();
                if (!pixels.SequenceEqual(Filled(rule, pixels.Length)))
                    run.Fail($"{file}: {what} differs");
            }

            if (format.StartsWith("CIFAR-10 binary", StringComparison.Ordinal))
            {
                var (labels, pixels) = CifarBinary.Read([path], 10);
                Same("labels", labels[0], "labels");
                for (var i = 0; i < labels[0].Length; i++)
                    Pixels($"image {i}", pixels.Skip(i * CifarBinary.ImageSize).Take(CifarBinary.ImageSize), $"data:cifar10.{i}");
            }
            else if (format.StartsWith("CIFAR-100 binary", StringComparison.Ordinal))
            {
                var (labels, pixels) = CifarBinary.Read([path], 20, 100);
                Same("coarse labels", labels[0], "coarse_labels");
                Same("fine labels", labels[1], "fine_labels");
                for (var i = 0; i < labels[0].Length; i++)
                    Pixels($"image {i}", pixels.Skip(i * CifarBinary.ImageSize).Take(CifarBinary.ImageSize), $"data:cifar100.{i}");
            }
            else if (format.StartsWith("CIFAR-10 python", StringComparison.Ordinal))
            {
                var (labels, pixels) = CifarPython.Read([path], "labels", 10);
                Same("labels", labels, "labels");
                Pixels("data", pixels, "data:cifarpy");
            }
            else if (format.StartsWith("IDX", StringComparison.Ordinal))
            {
                var (shape, values) = Idx.Read(path, entry.TryGetProperty("shape", out _) ? 3 : 1);
                if (shape.Length == 1)
                    Same("labels", values, "labels");
                else
                {
                    Same("shape", shape, "shape");
                    Pixels("values", values, "data:idx");
                }
            }
            else if (format.StartsWith("MATLAB", StringComparison.Ordinal))
            {
                foreach (var name in entry.EnumerateObject().Select(p => p.Name).Where(name => name is not ("format" or "dtype")))
                    Same(name, MatFile.Integers(path, name), name);
            }
            else if (file.EndsWith(".png", StringComparison.Ordinal))
            {
                var image = PngValues.Read(path);
                if (image.Height != entry.GetProperty("height").GetInt32() || image.Width != entry.GetProperty("width").GetInt32())
                    run.Fail($"{file}: {image.Height}x{image.Width}");
                Same("values", image.Values, "values");
                if (entry.TryGetProperty("palette_first4", out _))
                    Same("palette", image.Palette.Take(12), "palette_first4");
                if (entry.TryGetProperty("train", out _))
                    Same(
                        "trained classes",
                        image.Values.Select(value =>
                            file.StartsWith("ade", StringComparison.Ordinal) ? LabelValues.FromOne(value) : LabelValues.Cityscapes(value)
                        ),
                        "train"
                    );
            }
            else if (format.StartsWith("revisited", StringComparison.Ordinal))
                RetrievalTruth(run, path, entry);
            else
                run.Fail($"{file}: nothing reads {format}");
        }
    }

    private static void RetrievalTruth(GoldenRun run, string path, JsonElement entry)
    {
        using var checkpoint = Checkpoint.Open(path);
        var root = (CheckpointDictionary)checkpoint.Root!;
        foreach (var key in new[] { "imlist", "qimlist" })
            if (
                !((List<object?>)root[key]!)
                    .Select(name => (string)name!)
                    .SequenceEqual(entry.GetProperty(key).EnumerateArray().Select(name => name.GetString()!))
            )
                run.Fail($"{key} differs");
        foreach (var (query, expected) in ((List<object?>)root["gnd"]!).Zip(entry.GetProperty("gnd").EnumerateArray()))
        foreach (var part in expected.EnumerateObject())
            Compare(run, part.Name, Numbers(((CheckpointDictionary)query!)[part.Name]), part.Value);
    }

    private static IEnumerable<double> Numbers(object? value) =>
        value switch
        {
            CheckpointTensor { DType: DType.Float64 } tensor => tensor.ToArray<double>(),
            CheckpointTensor { DType: DType.Float32 } tensor => tensor.ToArray<float>().Select(v => (double)v),
            CheckpointTensor { DType: DType.Int64 } tensor => tensor.ToArray<long>().Select(v => (double)v),
            List<object?> list => list.Select(v => Convert.ToDouble(v, System.Globalization.CultureInfo.InvariantCulture)),
            _ => throw new NotSupportedException($"numbers in {value}"),
        };

    private static void Compare(GoldenRun run, string what, IEnumerable<double> ours, JsonElement theirs)
    {
        var expected = theirs.EnumerateArray().Select(v => v.GetDouble()).ToArray();
        if (!ours.SequenceEqual(expected))
            run.Fail($"{what} differs: {string.Join(" ", ours.Take(10))}, {string.Join(" ", expected.Take(10))} in the file");
    }

    // floor((u / 2 + 1/2) * 256) with u of the rule that fills tensors.
    private static IEnumerable<byte> Filled(string name, int count) =>
        Fill.Values(name, count, 0, 1).Select(u => (byte)Math.Floor((u * 0.5 + 0.5) * 256));
}

[Case("datasets.label-tables", OnCpu = true)]
internal sealed class DatasetLabelTables : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        foreach (
            var (name, ours) in new (string, IReadOnlyList<string>)[]
            {
                ("ade20k_classes", LabelTables.Ade20k),
                ("fashion_mnist", LabelTables.FashionMnist),
                ("cifar10", LabelTables.Cifar10),
                ("cifar100_fine", LabelTables.Cifar100),
                ("lip", LabelTables.Lip),
                ("pascal_voc", LabelTables.PascalVoc),
                ("nyuv2_40", LabelTables.Nyu40),
            }
        )
            Same(name, ours, item => item.GetString()!);
        Same("ade20k_palette", LabelTables.Ade20kPalette, ColorOf);
        Same("coco", LabelTables.Coco, item => new CocoCategory(
            item.GetProperty("name").GetString()!,
            item.GetProperty("category_id").GetInt32(),
            item.GetProperty("train_id").GetInt32()
        ));
        Same("cityscapes", LabelTables.Cityscapes, item => new CityscapesClass(
            item.GetProperty("name").GetString()!,
            item.GetProperty("id").GetInt32(),
            item.GetProperty("train_id").GetInt32(),
            item.GetProperty("category").GetString()!,
            ColorOf(item.GetProperty("color"))
        ));
        if (
            run
                .File.Root.GetProperty("cityscapes")
                .EnumerateArray()
                .Any(item => item.GetProperty("ignore_in_eval").GetBoolean() != (item.GetProperty("train_id").GetInt32() == 255))
        )
            run.Fail("cityscapes: classes left out are not those without trained class");

        void Same<T>(string name, IReadOnlyList<T> ours, Func<JsonElement, T> read)
        {
            var theirs = run.File.Root.GetProperty(name).EnumerateArray().Select(read).ToArray();
            var first = Enumerable
                .Range(0, Math.Max(ours.Count, theirs.Length))
                .FirstOrDefault(i => i >= ours.Count || i >= theirs.Length || !Equals(ours[i], theirs[i]), -1);
            if (first >= 0)
                run.Fail(
                    $"{name}: entry {first} is {(first < ours.Count ? ours[first] : "missing")}, {(first < theirs.Length ? theirs[first] : "nothing")} in the file"
                );
        }

        static Color ColorOf(JsonElement item) => new(item[0].GetByte(), item[1].GetByte(), item[2].GetByte());
    }
}
