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
        // How pixels are filled, in words: Filled is that.
        run.Fields.Remark("rule");
        var folder = Path.GetDirectoryName(run.File.Path)!;
        foreach (var (file, entry) in run.Fields.Object("files").Parts)
            new Sample(run, file, Path.Combine(folder, file), entry).Check();
    }

    /// <summary>A file of samples and what the listing says of it.</summary>
    private sealed class Sample(GoldenRun run, string file, string path, Config entry)
    {
        private readonly string format = entry.String("format");

        public void Check()
        {
            if (Begins("CIFAR-10 binary"))
                CifarBinaries(("labels", 10));
            else if (Begins("CIFAR-100 binary"))
                CifarBinaries(("coarse_labels", 20), ("fine_labels", 100));
            else if (Begins("CIFAR-10 python"))
                CifarBatch(("labels", 10));
            else if (Begins("CIFAR-100 python"))
                CifarBatch(("coarse_labels", 20), ("fine_labels", 100));
            else if (Begins("IDX"))
                IdxArray();
            else if (Begins("MATLAB"))
                MatlabVariables();
            else if (file.EndsWith(".png", StringComparison.OrdinalIgnoreCase))
                Png();
            else if (Begins("revisited"))
                RetrievalTruth();
            else
                run.Fail($"{file}: nothing reads {format}");
        }

        private bool Begins(string name) => format.StartsWith(name, StringComparison.Ordinal);

        private void CifarBinaries(params (string Key, int Classes)[] kinds)
        {
            var (labels, pixels) = CifarBinary.Read([path], [.. kinds.Select(kind => kind.Classes)]);
            foreach (var (kind, ours) in kinds.Zip(labels))
                Same(kind.Key, ours);
            entry.Expect("records", labels[0].Length);
            var rule = Rule();
            for (var i = 0; i < labels[0].Length; i++)
                Pixels(
                    $"image {i}",
                    pixels.AsSpan(i * CifarBinary.ImageSize, CifarBinary.ImageSize),
                    rule.Replace("RECORD", $"{i}", StringComparison.Ordinal)
                );
        }

        private void CifarBatch(params (string Key, int Classes)[] kinds)
        {
            var rule = Rule();
            foreach (var (key, classes) in kinds.Where(kind => entry.Has(kind.Key)))
            {
                var (labels, pixels) = CifarPython.Read([path], key, classes);
                Same(key, labels);
                Pixels("data", pixels, rule);
                entry.Expect<int[]>("data_shape", [labels.Length, pixels.Length / Math.Max(1, labels.Length)]);
            }
            // What the reader passes over is in the file all the same.
            using var checkpoint = Checkpoint.Open(path);
            var batch = (CheckpointDictionary)checkpoint.Root!;
            entry.Expect("keys", batch.Select(item => $"{item.Key}"));
            if (entry.Has("batch_label"))
                entry.Expect("batch_label", $"{batch["batch_label"]}");
            if (entry.Has("filenames"))
                entry.Expect("filenames", ((List<object?>)batch["filenames"]!).Select(name => $"{name}"));
        }

        private void IdxArray()
        {
            var (shape, values) = Idx.Read(path, entry.Has("shape") ? entry["shape"].GetArrayLength() : 1);
            if (entry.Has("labels"))
            {
                Same("labels", values.Select(value => (int)value));
                return;
            }
            entry.Expect("shape", shape);
            Pixels("values", values, Rule());
        }

        // Each variable is an entry.
        private void MatlabVariables()
        {
            foreach (var name in entry.Keys.Where(name => name is not ("format" or "dtype")))
                Same(name, MatFile.Integers(path, name));
            // MATLAB stores labels in any class: the reader returns integers.
            entry.ExpectOneOf("dtype", "uint8", "uint16", "int16", "int32", "double");
        }

        private void Png()
        {
            var image = PngValues.Read(path);
            entry.Expect("height", image.Height);
            entry.Expect("width", image.Width);
            Same("values", image.Values);
            if (entry.Has("palette_first4"))
                Same("palette_first4", image.Palette.Take(12).Select(value => (int)value));
            if (entry.Has("train"))
                Same(
                    "train",
                    image.Values.Select(value =>
                        format.Contains("ADE20K", StringComparison.Ordinal) ? Ade20k.Rule.ClassOf(value)
                        : Begins("Cityscapes") ? Cityscapes.Ids.ClassOf(value)
                        : throw new NotSupportedException($"{file}: trained classes of {format}")
                    )
                );
        }

        private void RetrievalTruth()
        {
            using var checkpoint = Checkpoint.Open(path);
            var root = (CheckpointDictionary)checkpoint.Root!;
            foreach (var key in new[] { "imlist", "qimlist" })
                entry.Expect(key, ((List<object?>)root[key]!).Select(name => (string)name!));
            var queries = (List<object?>)root["gnd"]!;
            var expected = entry.Objects("gnd");
            if (queries.Count != expected.Count)
                run.Fail($"{file}: {queries.Count} queries, {expected.Count} in the listing");
            foreach (var (query, parts) in queries.Zip(expected))
            foreach (var key in parts.Keys)
                Compare($"{key}", Numbers(((CheckpointDictionary)query!)[key]), parts[key]);
        }

        // The name that pixels are filled under; what follows it is prose.
        private string Rule() => entry.String("pixel_rule").Split(',', ' ')[0];

        private void Same<T>(string key, IEnumerable<T> ours) => Compare(key, ours.Select(value => Convert.ToDouble(value)), entry[key]);

        private void Compare(string what, IEnumerable<double> ours, JsonElement theirs)
        {
            double[] expected = [.. theirs.EnumerateArray().Select(v => v.GetDouble())];
            if (!ours.SequenceEqual(expected))
                run.Fail(
                    $"{file}: {what} differs: {string.Join(" ", ours.Take(10))}, {string.Join(" ", expected.Take(10))} in the listing"
                );
        }

        private void Pixels(string what, ReadOnlySpan<byte> ours, string rule)
        {
            if (!ours.SequenceEqual(Filled(rule, ours.Length)))
                run.Fail($"{file}: {what} differs");
        }
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

    // floor((u / 2 + 1/2) * 256) with u of the rule that fills tensors.
    private static byte[] Filled(string name, int count) =>
        [.. Fill.Values(name, count, 0, 1).Select(u => (byte)Math.Floor((u * 0.5 + 0.5) * 256))];
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
            run.Fields["cityscapes"]
                .EnumerateArray()
                .Any(item => item.GetProperty("ignore_in_eval").GetBoolean() != (item.GetProperty("train_id").GetInt32() == 255))
        )
            run.Fail("cityscapes: classes left out are not those without trained class");

        void Same<T>(string name, IReadOnlyList<T> ours, Func<JsonElement, T> read)
        {
            var theirs = run.Fields[name].EnumerateArray().Select(read).ToArray();
            var first = Enumerable
                .Range(0, Math.Max(ours.Count, theirs.Length))
                .FirstOrDefault(i => i >= ours.Count || i >= theirs.Length || !Equals(ours[i], theirs[i]), -1);
            if (first >= 0)
                run.Fail(
                    $"{name}: entry {first} is {(first < ours.Count ? ours[first] : "missing")}, "
                        + $"{(first < theirs.Length ? theirs[first] : "nothing")} in the file"
                );
        }

        static Color ColorOf(JsonElement item) => new(item[0].GetByte(), item[1].GetByte(), item[2].GetByte());
    }
}
