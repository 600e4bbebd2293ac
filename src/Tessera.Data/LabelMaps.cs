using System.Security.Cryptography;

namespace Tessera.Data;

/// <summary>A class per pixel.</summary>
/// <param name="Ids">Class of each pixel, row by row, [H, W]; <see cref="Ignored"/> where there is none.</param>
/// <param name="Size">H and W.</param>
public sealed record LabelMap(byte[] Ids, ImageSize Size)
{
    /// <summary>Class of pixels that count neither in training nor in measuring.</summary>
    public const byte Ignored = 255;

    /// <summary>
    /// The map of a view of the image, by the nearest pixel: between two pixels that are as near, the lower or right one.
    /// </summary>
    /// <param name="image">Where the prepared image comes from.</param>
    /// <param name="size">Its size.</param>
    /// <param name="target">
    /// Takes the class of each pixel of that image, [H, W]; <see cref="Ignored"/> where the original is not visible.
    /// </param>
    public void Follow(PreparedImage image, ImageSize size, Span<long> target)
    {
        var (rows, columns) = ViewPlaces.Of(image, size, Size);
        for (var y = 0; y < size.Height; y++)
        {
            var row = target.Slice(y * size.Width, size.Width);
            if (rows[y] < 0)
            {
                row.Fill(Ignored);
                continue;
            }
            var source = Ids.AsSpan(rows[y] * Size.Width, Size.Width);
            for (var x = 0; x < row.Length; x++)
                row[x] = columns[x] < 0 ? Ignored : source[columns[x]];
        }
    }

    /// <summary>Counts the classes of a view of the image, pixel by pixel as <see cref="Follow"/> gives them.</summary>
    /// <param name="image">Where the view comes from.</param>
    /// <param name="size">Its size.</param>
    /// <param name="counts">Takes the pixels per value, 256 of them; what is not visible counts nowhere.</param>
    internal void Count(PreparedImage image, ImageSize size, Span<int> counts)
    {
        var (rows, columns) = ViewPlaces.Of(image, size, Size);
        counts.Clear();
        foreach (var row in rows)
        {
            if (row < 0)
                continue;
            var source = Ids.AsSpan(row * Size.Width, Size.Width);
            foreach (var column in columns)
                if (column >= 0)
                    counts[source[column]]++;
        }
    }
}

/// <summary>A label map per sample, read when its batch is made.</summary>
public sealed class LabelMaps : Annotations
{
    private readonly Func<int, LabelMap> read;
    private readonly IReadOnlyList<string>? files;

    /// <summary>The maps of samples.</summary>
    /// <param name="classNames">Name per class; the position is the id.</param>
    /// <param name="count">Number of samples.</param>
    /// <param name="read">Reads the map of a sample, of the size of its image. It is called on several threads.</param>
    /// <exception cref="DataException">There are more classes than ids.</exception>
    public LabelMaps(IReadOnlyList<string> classNames, int count, Func<int, LabelMap> read)
        : base(classNames)
    {
        if (classNames.Count > LabelMap.Ignored)
            throw new DataException($"label maps: {classNames.Count} classes, and there must be at most {LabelMap.Ignored}");
        (Count, this.read) = (count, read);
    }

    /// <summary>The maps of samples that lie in files.</summary>
    /// <param name="classNames">Name per class; the position is the id.</param>
    /// <param name="files">A file per sample.</param>
    /// <param name="rule">What the values in the files mean.</param>
    /// <param name="read">Reads a file by the rule. It is called on several threads.</param>
    /// <exception cref="DataException">There are more classes than ids.</exception>
    public LabelMaps(IReadOnlyList<string> classNames, IReadOnlyList<string> files, LabelRule rule, Func<string, LabelRule, LabelMap> read)
        : this(classNames, files.Count, index => read(files[index], rule)) => (this.files, Rule) = (files, rule);

    private LabelMaps(IReadOnlyList<string> classNames, IReadOnlyList<string>? files, int count, Func<int, LabelMap> read)
        : this(classNames, count, read) => this.files = files;

    /// <inheritdoc/>
    public override int Count { get; }

    /// <inheritdoc/>
    public override bool FollowsView => true;

    /// <inheritdoc/>
    public override string MixingObstacle => "label maps cannot be mixed or smoothed";

    /// <summary>What the values in the files mean; null where maps come from elsewhere.</summary>
    public LabelRule? Rule { get; private init; }

    /// <summary>The colour that pictures give each class; null where none are known.</summary>
    /// <exception cref="ArgumentException">Not one colour per class.</exception>
    public IReadOnlyList<(byte R, byte G, byte B)>? Palette
    {
        get;
        init =>
            field =
                value is null || value.Count == ClassNames.Count
                    ? value
                    : throw new ArgumentException($"{value.Count} colours for {ClassNames.Count} classes", nameof(value));
    }

    /// <summary>Pairs of classes that a horizontal flip exchanges, such as the left and the right arm.</summary>
    /// <exception cref="ArgumentException">A class that does not exist, or one that is in two pairs.</exception>
    public IReadOnlyList<(int First, int Second)> FlipPairs
    {
        get;
        init
        {
            var own = value.SelectMany(pair => (int[])[pair.First, pair.Second]).ToArray();
            if (own.Any(id => id < 0 || id >= ClassNames.Count) || own.Distinct().Count() != own.Length)
                throw new ArgumentException(
                    $"{string.Join(", ", value)}: pairs must be of classes below {ClassNames.Count}, and a class must be in one alone",
                    nameof(value)
                );
            field = value;
        }
    } = [];

    /// <summary>The file of the map of a sample; null where it lies in none.</summary>
    /// <param name="index">The sample.</param>
    public string? MapFile(int index) => files?[index];

    /// <summary>The map of a sample, read anew.</summary>
    /// <exception cref="DataException">The map does not have as many pixels as its size says.</exception>
    public LabelMap this[int index]
    {
        get
        {
            var map = read(index);
            return map.Ids.Length == (long)map.Size.Height * map.Size.Width
                ? map
                : throw new DataException($"{Name(index)}: its label map has {map.Ids.Length} pixels and must have {map.Size}");
        }
    }

    /// <inheritdoc/>
    public override LabelMaps Part(IReadOnlyList<int> indices) =>
        new(ClassNames, files is null ? null : [.. indices.Select(index => files[index])], indices.Count, index => read(indices[index]))
        {
            Rule = Rule,
            Palette = Palette,
            FlipPairs = FlipPairs,
        };

    /// <inheritdoc/>
    public override LabelMaps Renumbered(ClassMapping mapping)
    {
        return new(mapping.Onto, files, Count, Read)
        {
            Rule = Rule?.Renumbered(mapping),
            Palette = Palette is null ? null : Recolored(Palette, mapping),
            FlipPairs =
            [
                .. FlipPairs
                    .Select(pair => (First: mapping.Numbers[pair.First], Second: mapping.Numbers[pair.Second]))
                    .Where(pair => pair is { First: >= 0, Second: >= 0 }),
            ],
        };

        LabelMap Read(int index)
        {
            var map = read(index);
            var ids = new byte[map.Ids.Length];
            for (var i = 0; i < ids.Length; i++)
                ids[i] = Number(map.Ids[i], index);
            return map with { Ids = ids };
        }

        byte Number(byte id, int index) =>
            id >= mapping.Numbers.Count ? id
            : mapping.Numbers[id] >= 0 ? (byte)mapping.Numbers[id]
            : throw new DataException(
                $"{Name(index)}: its label map has pixels of class {mapping.From[id]}, which the model does not know"
            );
    }

    // A class that the data lacks gets a colour that no other has.
    private static (byte R, byte G, byte B)[] Recolored(IReadOnlyList<(byte R, byte G, byte B)> palette, ClassMapping mapping)
    {
        var colors = new (byte R, byte G, byte B)?[mapping.Onto.Count];
        foreach (var (from, number) in mapping.Numbers.Index())
            if (number >= 0)
                colors[number] = palette[from];
        var free = new Queue<(byte R, byte G, byte B)>(Enumerable.Range(1, 255).Select(LabelPalette.Color).Except(palette));
        return [.. colors.Select((color, id) => color ?? (free.TryDequeue(out var own) ? own : LabelPalette.Color(id)))];
    }

    private string Name(int index) => MapFile(index) ?? $"sample {index}";

    /// <summary>All samples are of one stratum: balanced draws know nothing of the classes of pixels.</summary>
    /// <inheritdoc/>
    public override int StratumOf(int index) => 0;

    /// <inheritdoc/>
    public override string StratumName(int stratum) => "the data set";

    /// <inheritdoc/>
    public override string Describe(int index)
    {
        var map = this[index];
        return $"{map.Size} {Convert.ToHexString(SHA256.HashData(map.Ids))}";
    }

    /// <inheritdoc/>
    public override Func<MaskTargets> Gather(TargetRequest request)
    {
        var images = request.ImagesOf("label maps");
        // As many positions as a network of that stride has, whose last may reach over the edge.
        var scale = request.LabelScale;
        var size = new ImageSize((request.Size.Height + scale - 1) / scale, (request.Size.Width + scale - 1) / scale);
        var mirrored = FlipPairs.Count > 0 ? Mirrored() : [];
        var area = checked(size.Height * size.Width);
        var ids = new long[checked(images.Count * area)];
        for (var i = 0; i < images.Count; i++)
        {
            var index = request.Indices[i];
            var map = request.LookedAt.Count > 0 && request.LookedAt[i] is { } known ? known : Of(index, images[i].Original);
            var target = ids.AsSpan(i * area, area);
            map.Follow(images[i], size, target);
            foreach (var id in target)
                if (id >= ClassNames.Count && id != LabelMap.Ignored)
                    throw new DataException(
                        $"{Name(index)}: its label map holds {id}; it must hold classes below {ClassNames.Count} and {LabelMap.Ignored}"
                    );
            if (FlipPairs.Count > 0 && images[i].View.IsMirrored)
                foreach (ref var id in target)
                    id = mirrored[id];
        }
        return () => new(Tensor.From(ids, images.Count, size.Height, size.Width)) { Originals = [.. images.Select(Original)] };

        OriginalLabels Original(PreparedImage image, int place)
        {
            var index = request.Indices[place];
            return new(image, () => Of(index, image.Original));
        }
    }

    /// <summary>The map of a sample, which must be as large as its image.</summary>
    /// <exception cref="DataException">It is not, or it does not have as many pixels as its size says.</exception>
    internal LabelMap Of(int index, ImageSize image) =>
        this[index] is var map && map.Size == image
            ? map
            : throw new DataException($"{Name(index)}: its label map is {map.Size} and its image {image}; they must be equal");

    // The class of every id in a mirror image.
    private byte[] Mirrored()
    {
        byte[] classes = [.. Enumerable.Range(0, LabelMap.Ignored + 1).Select(id => (byte)id)];
        foreach (var (first, second) in FlipPairs)
            (classes[first], classes[second]) = ((byte)second, (byte)first);
        return classes;
    }
}

/// <summary>A class per pixel.</summary>
/// <param name="Ids">
/// Class of each pixel of the prepared images, <see cref="LabelMap.Ignored"/> where there is none: [B, H, W], int64.
/// </param>
public sealed record MaskTargets(Tensor Ids) : Targets
{
    /// <summary>
    /// The label map of each sample at its own size, for measuring there; empty where the targets come from elsewhere.
    /// </summary>
    public IReadOnlyList<OriginalLabels> Originals { get; init; } = [];

    /// <inheritdoc/>
    public override int Count => (int)Ids.Size(0);

    /// <inheritdoc/>
    public override IEnumerable<Tensor> Tensors => [Ids];

    /// <inheritdoc/>
    public override MaskTargets Slice(int start, int count) =>
        this with
        {
            Ids = Ids.Slice(0, start, start + count),
            Originals = [.. Originals.Skip(start).Take(count)],
        };

    /// <inheritdoc/>
    public override MaskTargets To(Device device) => this with { Ids = Ids.To(device) };

    /// <summary>The mask targets of a batch.</summary>
    /// <exception cref="DataException">The batch has targets of another kind.</exception>
    public static MaskTargets Of(Batch batch) =>
        batch.Targets as MaskTargets
        ?? throw new DataException($"a class per pixel is needed, and the batch has {batch.Targets.GetType().Name}");
}

/// <summary>The label map of a sample at the size of its original.</summary>
/// <param name="Image">Which part of it the prepared image shows, the padding of its batch included.</param>
/// <param name="Read">Reads the map anew.</param>
public sealed record OriginalLabels(PreparedImage Image, Func<LabelMap> Read);
