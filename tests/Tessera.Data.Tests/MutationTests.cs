using System.IO.Compression;
using System.Text;
using Tessera.Data.Formats;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;
using Tessera.Data.Text;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Damaged files of every format that data sets come in: each is a value or a typed error.</summary>
[Trait("Category", Mutations.Category)]
public sealed class MutationTests : IDisposable
{
    private readonly TempFolder folder = new(inMemory: true);

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Damaged_idx_files() => Check("idx", (Golden("images-idx3-ubyte.gz", unpack: true), path => Idx.Read(path, 3)));

    [Fact]
    public void Damaged_packed_idx_files() =>
        Check(
            "idx_gz",
            (Golden("images-idx3-ubyte.gz"), path => Idx.Read(path, 3)),
            (Golden("labels-idx1-ubyte.gz"), path => Idx.Read(path, 1))
        );

    [Fact]
    public void Damaged_binary_cifar_files() =>
        Check(
            "cifar_binary",
            (Golden("cifar10.bin"), path => CifarBinary.Read([path], 10)),
            (Golden("cifar100.bin"), path => CifarBinary.Read([path], 20, 100))
        );

    [Fact]
    public void Damaged_python_cifar_files() =>
        Check("cifar_python", (Golden("cifar10_python.pickle"), path => CifarPython.Read([path], "labels", 10)));

    [Theory]
    [InlineData("png")]
    [InlineData("jpg")]
    [InlineData("webp")]
    [InlineData("gif")]
    [InlineData("tif")]
    [InlineData("bmp")]
    [InlineData("ppm")]
    public void Damaged_images_through_the_decoder(string extension)
    {
        // An image of the largest size that is decoded takes three bytes a pixel, whatever the size of its file.
        Check(
            $"decoder_{extension}",
            Files(Repository.Tests("samples", "images"), extension),
            path => ImageDecoder.Decode(path, new Raster()),
            4L * ImageDecoder.LargestImage
        );
    }

    [Fact]
    public void Damaged_label_images() =>
        Check("png_values", Files(Repository.Tests("goldens", "datasets"), "png"), path => PngValues.Read(path));

    // Behind the checksums, which find nearly all of it otherwise.
    [Fact]
    public void Damaged_label_images_with_right_checksums()
    {
        var rule = LabelRule.Plain(200).WithColors([((1, 2, 3), 0)], byColor: false);
        (int Kind, int Depth, bool Interlaced)[] kinds = [(0, 8, false), (3, 4, true), (0, 16, true), (2, 8, true), (6, 16, false)];
        (byte[], Action<byte[]>)[] cases =
        [
            .. kinds.Select(one => (Make(one.Kind, one.Depth, one.Interlaced), (Action<byte[]>)(bytes => LabelFile.Raw(Written(bytes))))),
            (Make(0, 8, false), bytes => LabelFile.Read(Written(bytes), rule)),
            (Make(3, 8, false), bytes => LabelFile.Head(Written(bytes))),
        ];
        Mutations.Check<DataException>("label_files", cases);

        string Written(byte[] bytes) => folder.Write("file", ImageBytes.WithChecksums(bytes));

        static byte[] Make(int kind, int depth, bool interlaced) =>
            ImageBytes.Png(
                5,
                7,
                kind,
                depth,
                new ushort[5 * 7 * ImageBytes.ChannelsOf(kind)],
                kind == 3 ? [1, 2, 3, 4, 5, 6] : null,
                interlaced,
                new(1)
            );
    }

    [Fact]
    public void Damaged_matlab_files() =>
        Check(
            "mat",
            (Golden("imagelabels.mat"), path => MatFile.Read(path)),
            (Golden("setid.mat"), path => MatFile.Read(path)),
            (Golden("plain_double.mat"), path => MatFile.Read(path)),
            (MatWriter.Matrix("S", 3, 4, new double[12]), path => LabelFile.Raw(path)),
            (MatWriter.Structures("synsets", [("a", 1.0), ("b", "text")]), path => MatFile.Structures(path, "synsets"))
        );

    [Fact]
    public void Damaged_csv_files() =>
        CheckSet("csv", "ag_news", "train", "train.csv", "\"3\",\"Wall St.\",\"Bears \"\"claw\"\" back\"\n\"1\",\"A\",\"B\\nC\"\n");

    [Fact]
    public void Damaged_tsv_files() =>
        CheckSet("tsv", "sst2", "dev", "dev.tsv", "sentence\tlabel\nit 's a charming journey . \t1\nunflinchingly bleak\t0\n");

    [Fact]
    public void Damaged_label_tables_in_csv() =>
        CheckLabels(
            "labels_csv",
            "train.csv",
            "image,labels\na.ppm,cat|dog\n\"b.ppm\",\nc.ppm,dog\n",
            "image,cat,dog\na.ppm,1,1\nb.ppm,0,0\nc.ppm,0,1\n"
        );

    [Fact]
    public void Damaged_label_tables_in_json() =>
        CheckLabels(
            "labels_json",
            "train.json",
            """[{ "file": "a.ppm", "labels": ["cat", "dog"] }, { "file": "b.ppm", "labels": [] }]""",
            """{ "a.ppm": ["cat", "d\u006fg"], "b.ppm": [] }"""
        );

    [Fact]
    public void Damaged_label_tables_in_json_lines() =>
        CheckLabels(
            "labels_jsonl",
            "train.jsonl",
            """
            { "file": "a.ppm", "labels": ["cat", "dog"] }
            { "file": "b.ppm", "labels": [] }
            """
        );

    [Fact]
    public void Damaged_question_files() =>
        CheckSet(
            "trec",
            "trec",
            "train",
            "train_5500.label",
            "DESC:manner How did serfdom develop ?\nENTY:cremat What films ?\nNUM:date When ?\n"
        );

    [Fact]
    public void Damaged_word_vectors() =>
        Check(
            "word_vectors",
            ("cat 1.5 -2\ndog 3 4\n. . 2 1\n"u8.ToArray(), path => WordVectors.Read(path, new(["<unk>", "<pad>", "cat", "dog"])))
        );

    [Fact]
    public void Damaged_coco_files()
    {
        const string Start =
            """{"images": [{"id": 1, "file_name": "a", "height": 4, "width": 5}], "categories": [{"id": 1, "name": "a"}], """;
        string[] good =
        [
            Start
                + """
                    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 1.5, 2, 2], "area": 3, "iscrowd": 0,
                    "segmentation": [[0, 0, 2.5, 0, 2, 2, 0, 2], [3, 3, 4, 3, 4, 4]]}], "info": {"x": [null, true]}}
                    """,
            Start
                + """
                    "annotations": [{"image_id": 1, "category_id": 1, "segmentation": {"counts": [3, 7, 10], "size": [4, 5]}},
                    {"id": 7, "image_id": 1, "category_id": 1, "iscrowd": 1, "segmentation": {"counts": "37\u003a", "size": [4, 5]}}]}
                    """,
        ];
        (byte[], Action<byte[]>)[] cases =
        [
            .. good.Select(text => (Encoding.UTF8.GetBytes(text), (Action<byte[]>)(bytes => Read(bytes, lenient: false)))),
            (Encoding.UTF8.GetBytes(good[0]), bytes => Read(bytes, lenient: true)),
        ];
        Mutations.Check<DataException>("coco_json", cases);

        void Read(byte[] bytes, bool lenient)
        {
            var file = CocoJson.Read(folder.Write("file", bytes), new(lenient));
            foreach (var one in file.Images.SelectMany(image => image.Objects))
                _ = one.Mask?.Area;
        }
    }

    [Fact]
    public void Damaged_voc_files() =>
        Check(
            "voc_xml",
            (
                """
                <?xml version="1.0" encoding="utf-8"?>
                <annotation><filename>a.jpg</filename><size><width>5</width><height>4</height></size>
                <object><name>a &amp; b</name><difficult>1</difficult>
                <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3.5</xmax><ymax>4</ymax></bndbox></object></annotation>
                """u8.ToArray(),
                path => VocXml.Read(path, new(lenient: false))
            )
        );

    [Fact]
    public void Damaged_yolo_files() =>
        Check(
            "yolo",
            ("0 0.5 0.5 1 1\n1 0 0 0.5 0 0.5 0.5\n"u8.ToArray(), path => YoloLabels.Read(path, new(lenient: false))),
            ("path: .\ntrain: [a, &x b]\nval: *x\nnc: 2\nnames: {0: a, 1: \"b\"}\n"u8.ToArray(), path => YoloConfig.Read(path))
        );

    [Fact]
    public void Damaged_ground_truth_of_landmarks() =>
        Check(
            "revisited",
            (Golden("gnd.pkl"), path => RevisitedTruth.Read(path)),
            (
                PickleWriter.Of(
                    new Dictionary<string, object?>
                    {
                        ["imlist"] = new object[] { "a", "b" },
                        ["qimlist"] = new object[] { "c" },
                        ["gnd"] = new object[]
                        {
                            new Dictionary<string, object?>
                            {
                                ["bbx"] = new object[] { 1.5, 0.5, 3.5, 2.0 },
                                ["easy"] = new object[] { 1 },
                                ["hard"] = new object[] { 0 },
                                ["junk"] = Array.Empty<object>(),
                            },
                        },
                    }
                ),
                path => RevisitedTruth.Read(path)
            )
        );

    [Fact]
    public void Damaged_lists_of_products() =>
        CheckSet(
            "sop",
            "sop",
            "train",
            "Ebay_train.txt",
            "image_id class_id super_class_id path\n1 1 1 a_final/b.JPG\n2 2 1 a_final/c.JPG\n"
        );

    [Fact]
    public void Damaged_lists_of_clothes() =>
        CheckSet(
            "in_shop",
            "in_shop",
            "test",
            "Eval/list_eval_partition.txt",
            "2\nimage_name item_id evaluation_status\nimg/a.jpg id_1 query\nimg/b.jpg id_1 gallery\n"
        );

    // Beside images that are there.
    private void CheckLabels(string parser, string file, params string[] good)
    {
        foreach (var name in (string[])["a.ppm", "b.ppm", "c.ppm"])
            folder.Write(name, []);
        Mutations.Check<DataException>(parser, [.. good.Select(text => (Encoding.UTF8.GetBytes(text), (Action<byte[]>)Open))]);

        void Open(byte[] bytes)
        {
            folder.Write(file, bytes);
            Datasets.Open("multi_label", "train", folder.Path);
        }
    }

    // In the name that the set's reader looks for.
    private void CheckSet(string parser, string name, string split, string file, string good) =>
        Mutations.Check<DataException>(parser, [(Encoding.UTF8.GetBytes(good), bytes =>
                {
                    folder.Write(file, bytes);
                    Datasets.Open(name, split, folder.Path);
                })]);

    private void Check(string parser, params (byte[] Good, Action<string> Read)[] cases) =>
        Mutations.Check<DataException>(parser, [.. cases.Select(c => (c.Good, Through(c.Read)))]);

    private void Check(string parser, IEnumerable<byte[]> good, Action<string> read, long? largest = null) =>
        Mutations.Check<DataException>(parser, [.. good.Select(file => (file, Through(read)))], largest ?? Mutations.UsualAllocation);

    private Action<byte[]> Through(Action<string> read) => bytes => read(folder.Write("file", bytes));

    private static byte[] Golden(string name, bool unpack = false)
    {
        var bytes = File.ReadAllBytes(Repository.Tests("goldens", "datasets", name));
        if (!unpack)
            return bytes;
        using var result = new MemoryStream();
        using (var stream = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress))
            stream.CopyTo(result);
        return result.ToArray();
    }

    private static byte[][] Files(string from, string extension) =>
        [.. Directory.GetFiles(from, $"*.{extension}").Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
}
