using Tessera.Data.Formats;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>Published sets that lie in folders of image files.</summary>
internal static class ImageFolders
{
    internal static DatasetKind ImageNet { get; } =
        new("imagenet", "ImageNet-1k: 1.28 million photographs, 1000 classes", ["train", "val"], "imagenet", (split, root) =>
            OpenImageNet(split, root)
        )
        {
            OpenStoppable = OpenImageNet,
        };

    internal static DatasetKind TinyImageNet { get; } =
        new("tiny_imagenet", "110,000 photographs, 64x64, 200 classes", ["train", "val"], "tiny-imagenet-200", OpenTiny);

    internal static DatasetKind Flowers { get; } =
        new("flowers102", "8,189 photographs of flowers, 102 classes", ["train", "val", "trainval", "test"], "flowers-102", OpenFlowers)
        {
            Disjoint = ["train", "val", "test"],
        };

    internal static DatasetKind Cub { get; } =
        new(
            "cub200",
            "11,788 photographs of birds, 200 classes",
            ["train", "test", "retrieval_train", "retrieval_test"],
            "CUB_200_2011",
            (split, root) => OpenCub("cub200", split, root)
        )
        {
            Disjoint = ["train", "test"],
        };

    internal static DatasetKind CubRetrieval { get; } =
        new(
            "cub200_retrieval",
            "11,788 photographs of birds: 100 classes to learn from, 100 others to retrieve within",
            ["train", "test"],
            Cub.Folder,
            (split, root) => ClassSplit.Part(OpenCub("cub200_retrieval", $"retrieval_{split}", root), _ => true, split)
        )
        {
            OtherClasses = true,
        };

    private static FileImages OpenImageNet(string split, string? root, CancellationToken stop = default)
    {
        var folder = Folders("imagenet", root, "imagenet", split);
        var images = Path.Combine(folder, split);
        // Flat validation images, as the official archive has them, need the development kit for their labels.
        return split == "val" && FolderScan.Subfolders(images).Length == 0
            ? FlatValidation(folder, images)
            : ImageFolder.Read("imagenet", split, images, stop: stop);
    }

    private static FileImages FlatValidation(string folder, string images)
    {
        var kit = Path.Combine(folder, "ILSVRC2012_devkit_t12", "data");
        var truth = Path.Combine(kit, "ILSVRC2012_validation_ground_truth.txt");
        var ids = DataFiles.Lines(truth);
        var meta = Path.Combine(kit, "meta.mat");
        // The kit's own numbers are not the usual classes: those go by the sorted WordNet ids.
        var wnids = MatFile
            .Structures(meta, "synsets")
            .Where(synset => synset["num_children"] is MatMatrix { Values: [0] })
            .ToDictionary(
                synset =>
                    synset["ILSVRC2012_ID"] is MatMatrix { Values: [var id] }
                        ? (int)id
                        : throw new DataFormatException(meta, null, "a synset without ILSVRC2012_ID"),
                synset => synset["WNID"] as string ?? throw new DataFormatException(meta, null, "a synset without WNID")
            );
        var classes = wnids.Values.Order(StringComparer.Ordinal).ToArray();
        var (paths, labels) = (new List<string>(), new List<int>());
        for (var i = 0; i < ids.Length; i++)
        {
            if (!int.TryParse(ids[i], out var id) || !wnids.TryGetValue(id, out var wnid))
                throw new DataFormatException(truth, null, $"line {i + 1} is '{ids[i]}' and must be a number of meta.mat");
            paths.Add(Path.Combine(images, $"ILSVRC2012_val_{i + 1:D8}.JPEG"));
            labels.Add(Array.BinarySearch(classes, wnid, StringComparer.Ordinal));
        }
        return new("imagenet", "val", classes, paths, labels);
    }

    private static FileImages OpenTiny(string split, string? root)
    {
        var folder = Folders("tiny_imagenet", root, "tiny-imagenet-200", "train");
        var normalization = new Normalization([0.4802f, 0.4481f, 0.3975f], [0.2770f, 0.2691f, 0.2821f]);
        if (split == "train")
            return ImageFolder.Read("tiny_imagenet", split, Path.Combine(folder, "train"), normalization);
        var classes = DataFiles.Lines(Path.Combine(folder, "wnids.txt")).Order(StringComparer.Ordinal).ToArray();
        var list = Path.Combine(folder, "val", "val_annotations.txt");
        var (paths, labels) = (new List<string>(), new List<int>());
        foreach (var (number, line) in DataFiles.Lines(list).Index())
        {
            var parts = line.Split('\t');
            var label = parts.Length >= 2 ? Array.BinarySearch(classes, parts[1], StringComparer.Ordinal) : -1;
            if (label < 0)
                throw new DataFormatException(list, null, $"line {number + 1}: it must be a file name, a tab and a name of wnids.txt");
            paths.Add(Path.Combine(folder, "val", "images", parts[0]));
            labels.Add(label);
        }
        return new("tiny_imagenet", split, classes, paths, labels, normalization);
    }

    private static FileImages OpenFlowers(string split, string? root)
    {
        var folder = Places.Find("flowers102", root, "flowers-102", "setid.mat");
        var all = MatFile.Integers(Path.Combine(folder, "imagelabels.mat"), "labels");
        var sets = Path.Combine(folder, "setid.mat");
        string[] names = split switch
        {
            "train" => ["trnid"],
            "val" => ["valid"],
            "trainval" => ["trnid", "valid"],
            _ => ["tstid"],
        };
        var numbers = names.SelectMany(name => MatFile.Integers(sets, name)).ToArray();
        if (numbers.FirstOrDefault(number => number < 1 || number > all.Length) is var wrong && wrong != 0)
            throw new DataFormatException(sets, null, $"image {wrong} does not exist: numbers must be from 1 to {all.Length}");
        return new(
            "flowers102",
            split,
            [.. Enumerable.Range(1, 102).Select(i => $"{i}")],
            [.. numbers.Select(number => Path.Combine(folder, "jpg", $"image_{number:D5}.jpg"))],
            [.. numbers.Select(number => all[number - 1] - 1)],
            new([0.4353f, 0.3773f, 0.2872f], [0.2966f, 0.2455f, 0.2698f])
        );
    }

    private static FileImages OpenCub(string name, string split, string? root)
    {
        var folder = Places.Find("cub200", root, "CUB_200_2011", "images.txt");
        string[] Column(string file, int count)
        {
            var path = Path.Combine(folder, file);
            var lines = DataFiles.Lines(path);
            if (count >= 0 && lines.Length != count)
                throw new DataFormatException(path, null, $"{lines.Length} lines, and there must be {count}: one per image");
            return
            [
                .. lines.Select(
                    (line, i) =>
                        line.Split(' ', 2) is [_, var value]
                            ? value
                            : throw new DataFormatException(path, null, $"line {i + 1}: it must be a number, a space and a value")
                ),
            ];
        }

        var images = Column("images.txt", -1);
        var labels = Column("image_class_labels.txt", images.Length)
            .Select(text => int.TryParse(text, out var label) ? label - 1 : -1)
            .ToArray();
        var training = Column("train_test_split.txt", images.Length).Select(text => text == "1").ToArray();
        // Retrieval divides by class instead: the first hundred train.
        var chosen = Enumerable
            .Range(0, images.Length)
            .Where(i =>
                split switch
                {
                    "train" => training[i],
                    "test" => !training[i],
                    "retrieval_train" => labels[i] < 100,
                    _ => labels[i] >= 100,
                }
            )
            .ToArray();
        return new(
            name,
            split,
            Column("classes.txt", -1),
            [.. chosen.Select(i => Path.Combine(folder, "images", images[i]))],
            [.. chosen.Select(i => labels[i])]
        );
    }

    private static string Folders(string name, string? root, string folder, string marker)
    {
        string[] candidates =
        [
            root ?? Path.Combine(Datasets.Cache, folder),
            Path.Combine(root ?? Datasets.Cache, folder),
            Path.Combine(root ?? Datasets.Cache, folder, folder),
        ];
        return candidates.FirstOrDefault(candidate => Directory.Exists(Path.Combine(candidate, marker)))
            ?? throw Places.Missing(name, marker + Path.DirectorySeparatorChar, candidates.Distinct());
    }
}
