using System.Runtime.InteropServices;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Text;

namespace Tessera.Data.Checks;

/// <summary>
/// Reads every sample of some splits once: hashes it, decodes it where it is an image in a file, counts the classes of its label map and
/// looks at the masks of its objects.
/// </summary>
/// <param name="options">How.</param>
/// <param name="progress">Told now and then, by any thread.</param>
/// <param name="stop">Ends the scan.</param>
internal sealed class SampleScan(CheckOptions options, IProgress<CheckProgress>? progress, CancellationToken stop)
{
    private const int Interval = 64;

    private readonly MapScan maps = new(options.Quick);

    /// <summary>What is known of each sample, per split.</summary>
    /// <param name="splits">Their files; samples of the same file are read once.</param>
    internal IReadOnlyList<IReadOnlyList<ScannedSample>> Read(IReadOnlyList<SplitSamples> splits)
    {
        var items = new List<(SplitSamples Split, int Index)>();
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        var numbers = splits.Select(split => Enumerable.Range(0, split.Data.Count).Select(i => Place(split, i)).ToArray()).ToArray();
        var found = new ScannedSample[items.Count];
        var done = 0;
        Parallel.For(
            0,
            items.Count,
            new ParallelOptions { MaxDegreeOfParallelism = options.Threads ?? Environment.ProcessorCount, CancellationToken = stop },
            () => new Raster(),
            (i, _, raster) =>
            {
                var (split, index) = items[i];
                found[i] = Read(split, index, raster);
                if (split.Data.Annotations is LabelMaps own)
                    found[i] = found[i] with { Map = maps.Read(own, index) };
                if (split.Data.Annotations is ObjectBoxes boxes && !options.Quick)
                    found[i] = found[i] with { Objects = ScannedObjects.Of(boxes[index]) };
                if (Interlocked.Increment(ref done) is var count && (count % Interval == 0 || count == items.Count))
                    progress?.Report(new(count, items.Count));
                return raster;
            },
            _ => { }
        );
        return [.. numbers.Select(own => (IReadOnlyList<ScannedSample>)[.. own.Select(number => found[number])])];

        int Place(SplitSamples split, int index)
        {
            if (split.Key(index) is not { } file)
            {
                items.Add((split, index));
                return items.Count - 1;
            }
            ref var place = ref CollectionsMarshal.GetValueRefOrAddDefault(places, file, out var exists);
            if (!exists)
            {
                place = items.Count;
                items.Add((split, index));
            }
            return place;
        }
    }

    private ScannedSample Read(SplitSamples split, int index, Raster raster) =>
        split.Data switch
        {
            ImageDataset { InMemory: true } images => OfPixels(images, index, raster),
            ImageDataset when options.Quick => ScannedSample.Unknown,
            ImageDataset images => OfFile(images.SampleName(index), images.FollowsOrientation),
            TextDataset texts when !options.Quick => ScannedSample.Unknown with
            {
                Content = Fingerprint.Of(MemoryMarshal.AsBytes(texts.Texts[index].AsSpan())),
            },
            _ => ScannedSample.Unknown,
        };

    private ScannedSample OfPixels(ImageDataset images, int index, Raster raster)
    {
        if (options.Quick)
            return ScannedSample.Unknown with
            {
                Height = images.Height ?? 0,
                Width = images.Width ?? 0,
                Channels = images.Channels,
                Seen = images is { Height: { } rows, Width: { } columns } ? new(rows, columns) : null,
            };
        images.Read(index, raster);
        return ScannedSample.Unknown with
        {
            Content = Fingerprint.Of(raster.Values),
            Height = raster.Height,
            Width = raster.Width,
            Channels = raster.Channels,
            Seen = new(raster.Height, raster.Width),
        };
    }

    private static ImageSize Seen(string path, byte[] bytes, ImageFile file, bool orient)
    {
        if (!orient || file.Orientation == 1)
            return new(file.Height, file.Width);
        using var turned = ImageFile.Open(path, bytes, orient: true);
        return new(turned.Height, turned.Width);
    }

    private static ScannedSample OfFile(string path, bool orient)
    {
        try
        {
            var bytes = ImageDecoder.ReadFile(path);
            using var file = ImageFile.Open(path, bytes);
            file.Verify();
            return new(Fingerprint.Of(bytes), file.Height, file.Width, file.Channels, file.Orientation, null, SuspiciousImages.Find(path))
            {
                Seen = Seen(path, bytes, file, orient),
            };
        }
        catch (UnreadableImageException error)
        {
            return ScannedSample.Unknown with { Problem = error.Problem };
        }
        catch (Exception error) when (error is DataException or IOException)
        {
            return ScannedSample.Unknown with { Problem = Message.OneLine(error.Message) };
        }
    }
}
