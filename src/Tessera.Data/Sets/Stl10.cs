using Tessera.Data.Formats;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>STL-10: 5,000 and 8,000 photographs of 96x96 (Coates et al., 2011).</summary>
internal static class Stl10
{
    internal static DatasetKind Kind { get; } =
        new("stl10", "13,000 photographs, 96x96, 10 classes", ["train", "test"], "stl10_binary", (split, root) =>
        {
            var folder = Places.Find("stl10", root, "stl10_binary", $"{split}_X.bin");
            var pixels = Stl10Binary.ReadImages(Path.Combine(folder, $"{split}_X.bin"));
            var labels = Stl10Binary.ReadLabels(Path.Combine(folder, $"{split}_y.bin"));
            var names = Path.Combine(folder, "class_names.txt");
            var classes = File.Exists(names)
                ? DataFiles.Lines(names)
                : ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"];
            return new MemoryImages(
                "stl10",
                split,
                classes,
                labels,
                pixels,
                3,
                Stl10Binary.Side,
                Stl10Binary.Side,
                new([0.4467f, 0.4398f, 0.4066f], [0.2603f, 0.2566f, 0.2713f])
            );
        });
}
