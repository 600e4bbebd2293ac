using System.Globalization;
using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Runs;

namespace Tessera.Training.Objectives;

/// <summary>
/// Maps of scores that a trained classifier left for every image of a data set: at each position of its last map the highest
/// logits and their classes (Jiang et al., 2021, arXiv:2104.10858, section 3.1). Half-precision numbers in safetensors files of
/// some thousand images each, with the true label of every image, by which maps of other images are told.
/// </summary>
public sealed class TokenLabelStore : IDisposable
{
    private const int ImagesPerFile = 8192;

    // In the place of the label of an image that could not be read: its map is that of whatever the loader put there.
    private const long Unreadable = -1;
    private readonly Dictionary<int, Part> parts = [];
    private readonly string folder;

    private sealed record Part(Tensor Scores, Tensor Classes, long[] Labels);

    private TokenLabelStore(string folder) => this.folder = folder;

    /// <summary>Whether a folder holds token labels.</summary>
    public static bool Exists(string folder) => File.Exists(PartPath(folder, 0));

    /// <summary>The maps in a folder; files are read as they are needed and stay in memory.</summary>
    /// <exception cref="RunException">There are none.</exception>
    public static TokenLabelStore Open(string folder) =>
        Exists(folder)
            ? new(folder)
            : throw new RunException(
                $"{folder}: there are no token labels ({Path.GetFileName(PartPath(folder, 0))} is missing); "
                    + "tessera token-labels make writes them"
            );

    /// <summary>Computes the maps of every image of a data set with a trained classifier.</summary>
    /// <param name="annotator">Its classifier is applied to every position of its last map instead of to their mean.</param>
    /// <param name="data">The images, unaugmented.</param>
    /// <param name="folder">Folder for the maps; it must not hold any yet.</param>
    /// <param name="top">Number of scores that are kept per position, at least 1.</param>
    /// <param name="batch">Images that the annotator sees at a time, at least 1.</param>
    /// <param name="done">Receives the number of images so far.</param>
    /// <param name="unreadableLimit">How many images may be unreadable; they get no labels.</param>
    /// <param name="normalization">How the images are normalised; null for the set's own.</param>
    /// <param name="stop">Gives up between two batches.</param>
    /// <returns>The images that could not be read.</returns>
    /// <exception cref="RunException">The folder has some already, or the annotator has no scores per position.</exception>
    /// <exception cref="OperationCanceledException">It was stopped; the folder holds nothing of it.</exception>
    public static IReadOnlyList<UnreadableImage> Make(
        Backbone annotator,
        LoadableDataset data,
        string folder,
        int top = 5,
        int batch = 128,
        Action<int>? done = null,
        UnreadableLimit? unreadableLimit = null,
        Normalization? normalization = null,
        CancellationToken stop = default
    )
    {
        if (Exists(folder))
            throw new RunException($"{folder} already holds token labels: choose another folder");
        Directory.CreateDirectory(folder);
        annotator.Eval();
        // Whole images, brought to the annotator's size: a crop would move the places. An annotator that is not square takes images of
        // its own size alone, and refuses others.
        var (height, width) = annotator.ImageSize;
        // Another image in the place of an unreadable one keeps the places of the others.
        var loader = new Loader(
            data,
            new(height == width ? [new Squash(height)] : [], normalization),
            new(batch) { UnreadableLimit = unreadableLimit ?? UnreadableLimit.Default, Replacement = Replacement.OtherDraw }
        );
        var (part, gathered, count) = (0, new List<(Tensor Scores, Tensor Classes)>(), 0);
        // The first file is written last: a folder without it holds nothing that counts.
        var written = new List<(string Building, string Path)>();
        try
        {
            AnnotateAll();
        }
        catch
        {
            foreach (var (scores, classes) in gathered)
            {
                scores.Dispose();
                classes.Dispose();
            }
            foreach (var (building, _) in written)
                File.Delete(building);
            throw;
        }
        foreach (var (building, path) in Enumerable.Reverse(written))
            File.Move(building, path, overwrite: true);
        return loader.Unreadable;

        void AnnotateAll()
        {
            foreach (var images in loader.Epoch(0, stop: stop))
            {
                using var owned = new OwnedBatch(images, ModuleDevice.Of(annotator));
                gathered.Add(Annotate(annotator, owned.Value.Inputs, top));
                count += images.Count;
                done?.Invoke(count);
                while (gathered.Sum(g => (int)g.Scores.Size(0)) >= ImagesPerFile || (count == data.Count && gathered.Count > 0))
                    Flush();
            }
        }

        void Flush()
        {
            using var scope = new Scope();
            var (scores, classes) = (Torch.Cat([.. gathered.Select(g => g.Scores)]), Torch.Cat([.. gathered.Select(g => g.Classes)]));
            foreach (var (a, b) in gathered)
            {
                a.Dispose();
                b.Dispose();
            }
            gathered.Clear();
            var first = part * ImagesPerFile;
            var labels = ClassLabels.Of(data).Labels.Skip(first).Take(ImagesPerFile).Select(label => (long)label).ToArray();
            foreach (var image in loader.Unreadable.Where(image => image.Index >= first && image.Index - first < labels.Length))
                labels[image.Index - first] = Unreadable;
            var path = PartPath(folder, part++);
            TensorFile.Save(
                $"{path}.tmp",
                new Dictionary<string, Tensor>
                {
                    ["labels"] = Tensor.From(labels),
                    ["scores"] = scores.Slice(0, 0, ImagesPerFile).Contiguous(),
                    ["classes"] = classes.Slice(0, 0, ImagesPerFile).Contiguous(),
                }
            );
            written.Add(($"{path}.tmp", path));
            if (scores.Size(0) > ImagesPerFile)
                gathered.Add((scores.Slice(0, ImagesPerFile).Clone().Keep(), classes.Slice(0, ImagesPerFile).Clone().Keep()));
        }
    }

    /// <summary>The highest scores of every position: half-precision logits and 16-bit classes, both [B, k, H, W].</summary>
    /// <exception cref="RunException">The last features are no map that the classifier can be applied to.</exception>
    public static (Tensor Scores, Tensor Classes) Annotate(Backbone annotator, Tensor images, int top)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var features = annotator.ForwardFeatures(images);
        var map = BlockOutputs.Map(annotator, annotator.BlockPaths[^1], features, images); // [B, C, H, W]
        if (map.Size(1) != annotator.NumFeatures)
            throw new RunException(
                $"{annotator.GetType().Name} cannot annotate: its last map must have the {annotator.NumFeatures} features of its "
                    + $"classifier, not {map.Size(1)}"
            );
        var (batch, channels, height, width) = (map.Size(0), map.Size(1), map.Size(2), map.Size(3));
        var logits = annotator.ForwardClassifier(map.Permute(0, 2, 3, 1).Reshape(-1, channels));
        if (logits.Size(1) > short.MaxValue)
            throw new RunException($"{logits.Size(1)} classes do not fit into 16 bits");
        var (scores, classes) = logits.Topk(Math.Min(top, logits.Size(1)));
        return scope.Return((Maps(scores).To(DType.Float16).To(Device.Cpu).Keep(), Maps(classes).To(DType.Int16).To(Device.Cpu).Keep()));

        Tensor Maps(Tensor values) => values.Reshape(batch, height, width, -1).Permute(0, 3, 1, 2).Contiguous();
    }

    private static string PartPath(string folder, int part) =>
        Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"labels-{part:D5}.safetensors"));

    /// <summary>The maps of some images: float32 logits and int64 classes, both [B, k, H, W].</summary>
    /// <param name="indices">Places of the images in the data set.</param>
    /// <param name="labels">True labels of the images, by which maps of other images are recognised.</param>
    /// <exception cref="RunException">There is none for one of them, or it is of another image.</exception>
    public (Tensor Scores, Tensor Classes) Of(IReadOnlyList<int> indices, IReadOnlyList<long> labels)
    {
        using var scope = new Scope();
        var found = indices
            .Select(
                (index, i) =>
                {
                    var part = Read(index / ImagesPerFile);
                    if (index % ImagesPerFile >= part.Labels.Length)
                        throw new RunException($"{folder}: there are no token labels of image {index}; {Advice}");
                    if (part.Labels[index % ImagesPerFile] == Unreadable)
                        throw new RunException(
                            $"{folder}: there are no token labels of image {index}, which was unreadable before; make them again"
                        );
                    if (part.Labels[index % ImagesPerFile] != labels[i])
                        throw new RunException($"{folder}: the token labels of image {index} are of an image of another class; {Advice}");
                    return (Scores: part.Scores[index % ImagesPerFile], Classes: part.Classes[index % ImagesPerFile]);
                }
            )
            .ToArray();
        return scope.Return(
            (
                Torch.Stack([.. found.Select(f => f.Scores)]).To(DType.Float32),
                Torch.Stack([.. found.Select(f => f.Classes)]).To(DType.Int64)
            )
        );
    }

    private const string Advice = "were they made for another data set, split or selection?";

    private Part Read(int part)
    {
        // Threads may ask at once.
        lock (parts)
            return parts.TryGetValue(part, out var known) ? known : parts[part] = Load(part);
    }

    private Part Load(int part)
    {
        var path = PartPath(folder, part);
        if (!File.Exists(path))
            throw new RunException($"{path}: there is no such file; {Advice}");
        using var scope = new Scope();
        var read = TensorFile.Load(path);
        return new(read["scores"].Keep(), read["classes"].Keep(), read["labels"].ToArray<long>());
    }

    /// <summary>Frees the maps in memory.</summary>
    public void Dispose()
    {
        foreach (var part in parts.Values)
        {
            part.Scores.Dispose();
            part.Classes.Dispose();
        }
        parts.Clear();
    }
}
