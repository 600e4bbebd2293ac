using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;

namespace Tessera.Training.Objectives;

/// <summary>
/// Outputs of a frozen teacher for every image of a data set, computed once and kept on disk. That is exact where an image is
/// the same in every epoch but for mirroring, of which both sides are stored. Files say what they were made of: weights of the
/// teacher, images, augmentation.
/// </summary>
internal sealed class TeacherStore : IDisposable
{
    private const int ImagesAtATime = 128;
    private readonly IReadOnlyList<StoredRows> outputs;
    private readonly int images;
    private readonly bool mirrored;

    private TeacherStore(IReadOnlyList<StoredRows> outputs, int images, bool mirrored) =>
        (this.outputs, this.images, this.mirrored) = (outputs, images, mirrored);

    /// <summary>Why outputs cannot be stored for the augmentation of a recipe; null where they can.</summary>
    internal static string? Obstacle(IReadOnlyList<Transform> augment) =>
        augment.FirstOrDefault(transform => !IsFixed(transform) && transform is not RandomHorizontalFlip) is { } random
            ? $"{TransformRegistry.NameOf(random)} in augment: outputs of a teacher can be stored only if an image is the same in every "
                + "epoch, which allows resize, squash, center_crop, evaluation_crop, to_color and random_horizontal_flip"
            : null;

    private static bool IsFixed(Transform transform) =>
        transform is Resize or Squash or CenterCrop or EvaluationCrop or ToColor or LabelSmoothing;

    /// <summary>
    /// The outputs for a training, made first if the folder has none. Images are augmented as in the training, except for mirroring.
    /// </summary>
    /// <param name="folder">Folder of the stored outputs.</param>
    /// <param name="teacher">The frozen model that computes the outputs.</param>
    /// <param name="context">Has the images and their augmentation.</param>
    /// <param name="run">All outputs of a batch of images, [B, ...] each.</param>
    /// <exception cref="RunException">The folder has those of something else.</exception>
    internal static TeacherStore OfTraining(
        string folder,
        Backbone teacher,
        ObjectiveContext context,
        Func<Tensor, IReadOnlyList<Tensor>> run
    ) =>
        Open(
            folder,
            teacher,
            context,
            [.. context.Augment.Where(IsFixed).Where(transform => transform is not BatchTransform)],
            context.Augment.Any(transform => transform is RandomHorizontalFlip),
            run
        );

    /// <summary>The outputs for images in another form.</summary>
    /// <inheritdoc cref="OfTraining"/>
    /// <param name="folder">Folder of the stored outputs.</param>
    /// <param name="teacher">The frozen model that computes the outputs.</param>
    /// <param name="context">Context with the training images.</param>
    /// <param name="transforms">Transforms of the images before the teacher.</param>
    /// <param name="mirrored">Whether the outputs for mirrored images are stored as well.</param>
    /// <param name="run">All outputs of a batch of images, [B, ...] each.</param>
    internal static TeacherStore Open(
        string folder,
        Backbone teacher,
        ObjectiveContext context,
        IReadOnlyList<Transform> transforms,
        bool mirrored,
        Func<Tensor, IReadOnlyList<Tensor>> run
    )
    {
        var data = context.Data ?? throw new ArgumentException("objective.stored needs a data set");
        teacher.Eval();
        var origin = Origin(teacher, data, context.Normalization, transforms, mirrored);
        // The first file is written last: a folder without it holds nothing that counts.
        if (!File.Exists(PathOf(folder, 0)))
            Make(folder, origin, data, new(transforms, context.OtherNormalization), mirrored, ModuleDevice.Of(teacher), run, context.Stop);
        var files = new List<StoredRows>();
        for (var output = 0; File.Exists(PathOf(folder, output)); output++)
            files.Add(StoredRows.Open(PathOf(folder, output), origin));
        return new(files, data.Count, mirrored);
    }

    private static void Make(
        string folder,
        string origin,
        LoadableDataset data,
        Pipeline pipeline,
        bool mirrored,
        Device device,
        Func<Tensor, IReadOnlyList<Tensor>> run,
        CancellationToken stop
    )
    {
        Directory.CreateDirectory(folder);
        var files = new List<StoredRows.Writer>();
        try
        {
            WriteAll();
        }
        catch
        {
            foreach (var (output, file) in files.Index())
            {
                file.Dispose();
                File.Delete(Building(output));
            }
            throw;
        }
        for (var output = files.Count - 1; output >= 0; output--)
            File.Move(Building(output), PathOf(folder, output), overwrite: true);

        void WriteAll()
        {
            using var outside = Torch.NoGrad();
            var first = 0;
            foreach (var loaded in new Loader(data, pipeline, new(ImagesAtATime)).Epoch(0, stop: stop))
            {
                using var scope = new Scope();
                using var batch = new OwnedBatch(loaded, device);
                if (loaded.Unreadable.Count > 0)
                    throw new RunException(
                        $"objective.stored: image {loaded.Unreadable[0].Index} cannot be read: leave it out of the data with data.list"
                    );
                Write(run(batch.Value.Inputs), first);
                if (mirrored)
                    Write(run(batch.Value.Inputs.Flip(3)), data.Count + first);
                first += loaded.Count;
            }
            foreach (var file in files)
            {
                file.Flush();
                file.Dispose();
            }
        }

        void Write(IReadOnlyList<Tensor> values, int row)
        {
            foreach (var (output, value) in values.Index())
            {
                var plain = value.To(DType.Float32).To(Device.Cpu).Contiguous();
                if (output == files.Count)
                    files.Add(new(Building(output), [data.Count * (mirrored ? 2L : 1), .. plain.Shape.Skip(1)], origin));
                files[output].Write(row, plain);
            }
        }

        string Building(int output) => $"{PathOf(folder, output)}.tmp";
    }

    private static string PathOf(string folder, int output) =>
        Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"output-{output}.safetensors"));

    private static string Origin(
        Backbone teacher,
        LoadableDataset data,
        Normalization normalization,
        IReadOnlyList<Transform> transforms,
        bool mirrored
    )
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var scope = new Scope();
        foreach (var (name, tensor) in teacher.StateDict())
        {
            Add(name);
            hash.AppendData(tensor.ToBytes());
        }
        Add(
            $"{data.Name} {data.Split} {data.Count} "
                + $"{string.Join(' ', normalization.Mean)} {string.Join(' ', normalization.Deviation)} {mirrored}"
        );
        Add(string.Join(' ', Enumerable.Range(0, data.Count).Select(data.Annotations.Describe)));
        for (var image = 0; image < data.Count; image++)
            Add(data.SampleName(image));
        foreach (var transform in transforms)
            Add(transform.ToString());
        return Convert.ToHexString(hash.GetHashAndReset());

        void Add(string text) => hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));
    }

    /// <summary>All outputs for the images of a batch as they are in it, on its device.</summary>
    internal IReadOnlyList<Tensor> Of(Batch batch)
    {
        long[] rows = [.. batch.Indices.Select((index, i) => index + (mirrored && batch.Views[0].Images?[i].Width < 0 ? (long)images : 0))];
        return [.. outputs.Select(file => file.Read(rows).To(batch.Inputs.Device))];
    }

    public void Dispose()
    {
        foreach (var file in outputs)
            file.Dispose();
    }
}
