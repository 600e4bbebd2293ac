using Tessera.Cli.Shell;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;
using Tessera.Training.Generation;

namespace Tessera.Cli.Inputs;

/// <summary>Pictures as they are, of any sizes, for a comparison of two sets.</summary>
internal sealed class PictureSource
{
    private readonly IReadOnlyList<(string Name, Func<Tensor> Read)> pictures;
    private readonly List<string> unreadable = [];

    private PictureSource(string name, IReadOnlyList<(string Name, Func<Tensor> Read)> pictures) =>
        (Name, this.pictures) = (name, pictures);

    /// <summary>The folder or the data set.</summary>
    internal string Name { get; }

    /// <summary>Pictures, with those that cannot be read.</summary>
    internal int Count => pictures.Count;

    /// <summary>Names of those that could not be read so far.</summary>
    internal IReadOnlyList<string> Unreadable => unreadable;

    /// <summary>All pictures of a folder and the folders in it.</summary>
    /// <exception cref="UserException">There is none.</exception>
    internal static PictureSource OfFolder(string folder, int? limit) =>
        new(
            folder,
            [
                .. Some(GivenFile.Of([folder]).Where(file => !file.IsVideo).Select(file => file.Path).ToArray(), limit)
                    .Select(path =>
                        (
                            path,
                            (Func<Tensor>)(
                                () =>
                                {
                                    using var image = Image.Open(path);
                                    return image.ToTensor();
                                }
                            )
                        )
                    ),
            ]
        );

    /// <summary>The images of a data set.</summary>
    /// <exception cref="UserException">It holds no images, or there is neither such a folder nor such a data set.</exception>
    /// <exception cref="DataException">There is no such split, or the files are missing or malformed.</exception>
    internal static PictureSource OfData(string name, string split, string? root, int? limit, CancellationToken stop)
    {
        if (!Datasets.Kinds.ContainsKey(name))
            throw new UserException(
                $"{name}: there is no such folder, and no data set of that name: those are {string.Join(", ", Datasets.Kinds.Keys.Order())}"
            );
        if (Datasets.Open(name, split, root, stop) is not ImageDataset images)
            throw new UserException($"{name} ({split}) does not hold images, which are compared here");
        return new(
            $"{name} ({split})",
            [
                .. Some(Enumerable.Range(0, images.Count).ToArray(), limit)
                    .Select(index =>
                        (
                            images.SampleName(index),
                            (Func<Tensor>)(
                                () =>
                                {
                                    var raster = new Raster();
                                    images.Read(index, raster);
                                    var values = Array.ConvertAll(raster.Values.ToArray(), value => value / 255f);
                                    return Tensor.From(values, raster.Channels, raster.Height, raster.Width);
                                }
                            )
                        )
                    ),
            ]
        );
    }

    // Spread evenly: the pictures of a class lie together.
    private static IEnumerable<T> Some<T>(T[] all, int? limit) =>
        limit is { } most && most < all.Length ? Enumerable.Range(0, most).Select(i => all[(long)i * all.Length / most]) : all;

    /// <summary>Reads all, neighbours of one size together. One that cannot be read is left out and listed.</summary>
    /// <param name="atATime">Pictures at a time at most.</param>
    /// <param name="take">Receives them, each with its number.</param>
    /// <param name="done">Told how many were read.</param>
    /// <param name="stop">Gives up between two pictures.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    internal void Read(int atATime, Action<NumberedImages> take, Action<int> done, CancellationToken stop)
    {
        for (var next = 0; next < pictures.Count; )
        {
            using var scope = new Scope();
            List<Tensor> batch = [];
            List<long> numbers = [];
            for (; next < pictures.Count && batch.Count < atATime; next++)
            {
                stop.ThrowIfCancellationRequested();
                var (name, read) = pictures[next];
                Tensor picture;
                try
                {
                    picture = read();
                }
                catch (Exception error) when (error is DataException or IOException or UnauthorizedAccessException)
                {
                    unreadable.Add(name);
                    continue;
                }
                if (batch.Count > 0 && batch[0].Shape != picture.Shape)
                    break;
                batch.Add(picture);
                numbers.Add(next);
            }
            if (batch.Count > 0)
                take(new(Torch.Stack([.. batch]), numbers));
            done(next);
        }
    }
}
