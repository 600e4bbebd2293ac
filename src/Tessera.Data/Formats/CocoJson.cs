using System.Globalization;
using System.Text.Json;

namespace Tessera.Data.Formats;

/// <summary>
/// Reads a COCO file of instances: images, categories and annotations in any order. The file is read piece by piece; what stays in memory
/// is what it says, some 400 bytes for an annotation of one polygon with 25 points.
/// </summary>
internal sealed class CocoJson
{
    private const string Images = "images",
        Annotations = "annotations",
        Categories = "categories";

    private readonly string path;
    private readonly AnnotationFaults faults;
    private readonly CancellationToken stop;
    private readonly List<(CocoImage Image, long Offset)> images = [];
    private readonly List<(long Id, string Name, long Offset)> categories = [];
    private readonly List<Annotation> annotations = [];

    private CocoJson(string path, AnnotationFaults faults, CancellationToken stop) =>
        (this.path, this.faults, this.stop) = (path, faults, stop);

    // As the file has it, before its image and its category are known.
    private readonly record struct Annotation(
        long Offset,
        long? Id,
        long Image,
        long Category,
        (double X, double Y, double Width, double Height)? Box,
        double? Area,
        bool IsCrowd,
        bool IsIgnored,
        CocoSegmentation? Segmentation
    );

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file, in UTF-8.</param>
    /// <param name="faults">Takes what is wrong or out of the ordinary.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="DataException">The file is none of this form, or has a problem that is not kept.</exception>
    internal static CocoAnnotations Read(string path, AnnotationFaults faults, CancellationToken stop = default)
    {
        var file = new CocoJson(path, faults, stop);
        using (var pieces = new JsonPieces(path))
        {
            var read = pieces.ReadObject(name =>
                name switch
                {
                    Images => file.ReadImage,
                    Annotations => file.ReadAnnotation,
                    Categories => file.ReadCategory,
                    _ => null,
                }
            );
            foreach (var name in (string[])[Images, Annotations, Categories])
                if (!read.Contains(name))
                    throw new DataFormatException(path, null, $"the file must have '{name}', and has none");
        }
        return file.Join();
    }

    private void ReadImage(ref Utf8JsonReader reader, long offset)
    {
        stop.ThrowIfCancellationRequested();
        var start = reader;
        try
        {
            BeObject(ref reader);
            (long? id, string? file, long? height, long? width) = (null, null, null, null);
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                if (Enter(ref reader, "id"u8))
                    id = JsonFields.Whole(ref reader, "id");
                else if (Enter(ref reader, "file_name"u8))
                    file = JsonFields.Text(ref reader, "file_name");
                else if (Enter(ref reader, "height"u8))
                    height = Optional(ref reader, "height");
                else if (Enter(ref reader, "width"u8))
                    width = Optional(ref reader, "width");
                else
                    JsonFields.Pass(ref reader);
            // Some tools write 0 where they do not know.
            ImageSize? size = (height, width) switch
            {
                (null or 0, null or 0) => null,
                (long rows and > 0 and <= int.MaxValue, long columns and > 0 and <= int.MaxValue) => new((int)rows, (int)columns),
                _ => throw new DataException($"'height' is {height} and 'width' {width}: both must be at least 1"),
            };
            images.Add(
                (
                    new(
                        id ?? throw new DataException("'id' is missing"),
                        string.IsNullOrWhiteSpace(file) ? throw new DataException("'file_name' is missing") : file,
                        size,
                        []
                    ),
                    offset
                )
            );
        }
        catch (DataException error)
        {
            Unreadable("image", start, images.Count, offset, error);
        }

        static long? Optional(ref Utf8JsonReader reader, string name) =>
            reader.TokenType == JsonTokenType.Null ? null : JsonFields.Whole(ref reader, name);
    }

    private void ReadCategory(ref Utf8JsonReader reader, long offset)
    {
        var start = reader;
        try
        {
            BeObject(ref reader);
            (long? id, string? name) = (null, null);
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                if (Enter(ref reader, "id"u8))
                    id = JsonFields.Whole(ref reader, "id");
                else if (Enter(ref reader, "name"u8))
                    name = JsonFields.Text(ref reader, "name");
                else
                    JsonFields.Pass(ref reader);
            categories.Add(
                (
                    id ?? throw new DataException("'id' is missing"),
                    string.IsNullOrWhiteSpace(name) ? throw new DataException("'name' is missing") : name.Trim(),
                    offset
                )
            );
        }
        catch (DataException error)
        {
            Unreadable("category", start, categories.Count, offset, error);
        }
    }

    private void ReadAnnotation(ref Utf8JsonReader reader, long offset)
    {
        stop.ThrowIfCancellationRequested();
        var start = reader;
        try
        {
            BeObject(ref reader);
            (long? id, long? image, long? category, double? area) = (null, null, null, null);
            (bool isCrowd, bool isIgnored) = (false, false);
            List<double> box = [];
            CocoSegmentation? segmentation = null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                if (Enter(ref reader, "id"u8))
                    id = JsonFields.Whole(ref reader, "id");
                else if (Enter(ref reader, "image_id"u8))
                    image = JsonFields.Whole(ref reader, "image_id");
                else if (Enter(ref reader, "category_id"u8))
                    category = JsonFields.Whole(ref reader, "category_id");
                else if (Enter(ref reader, "bbox"u8))
                    box = reader.TokenType == JsonTokenType.Null ? [] : JsonFields.Numbers(ref reader, "bbox");
                else if (Enter(ref reader, "area"u8))
                    area = reader.TokenType == JsonTokenType.Null ? null : JsonFields.Number(ref reader, "area");
                else if (Enter(ref reader, "iscrowd"u8))
                    isCrowd = JsonFields.Flag(ref reader, "iscrowd");
                else if (Enter(ref reader, "ignore"u8))
                    isIgnored = JsonFields.Flag(ref reader, "ignore");
                else if (Enter(ref reader, "segmentation"u8))
                    segmentation = CocoSegmentation.Read(ref reader);
                else
                    JsonFields.Pass(ref reader);
            if (area < 0)
                throw new DataException(string.Create(CultureInfo.InvariantCulture, $"'area' is {area}: it must be at least 0"));
            annotations.Add(
                new(
                    offset,
                    id,
                    image ?? throw new DataException("'image_id' is missing"),
                    category ?? throw new DataException("'category_id' is missing"),
                    box switch
                    {
                        [] => segmentation is null ? throw new DataException("'bbox' is missing, and so is 'segmentation'") : null,
                        [_, _, >= 0, >= 0] => (box[0], box[1], box[2], box[3]),
                        _ => throw new DataException(
                            $"'bbox' is [{string.Join(", ", box.Select(value => value.ToString(CultureInfo.InvariantCulture)))}]: "
                                + "it must be [x, y, width, height] with no side below 0"
                        ),
                    },
                    area,
                    isCrowd,
                    isIgnored,
                    segmentation
                )
            );
        }
        catch (DataException error)
        {
            Unreadable("annotation", start, annotations.Count, offset, error);
        }
    }

    private static void BeObject(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new DataException("it must be an object");
    }

    // Steps to the value where the field has this name.
    private static bool Enter(ref Utf8JsonReader reader, ReadOnlySpan<byte> name) => reader.ValueTextEquals(name) && reader.Read();

    // The number may stand behind what is wrong.
    private void Unreadable(string what, Utf8JsonReader piece, int place, long offset, DataException error)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{what} number {place + 1} of the file");
        if (piece.TokenType == JsonTokenType.StartObject)
            while (piece.Read() && piece.TokenType == JsonTokenType.PropertyName)
            {
                var isId = piece.ValueTextEquals("id"u8);
                var value = piece;
                if (isId && value.Read() && value.TokenType == JsonTokenType.Number && value.TryGetInt64(out var id))
                    name = string.Create(CultureInfo.InvariantCulture, $"{what} {id}");
                JsonFields.Pass(ref piece);
            }
        faults.Problem($"what cannot be read of {path}", path, offset, name, error.Message);
    }

    private CocoAnnotations Join()
    {
        var (byId, classes) = (JoinImages(), JoinCategories());
        var numbers = classes.Index().ToDictionary(entry => entry.Item.Id, entry => entry.Index);
        var (seen, next) = (new HashSet<long>(annotations.Count), NextId());
        var hasMasks = annotations.Exists(one => one.Segmentation is not null);
        foreach (var one in annotations)
        {
            var name = one.Id is { } own
                ? string.Create(CultureInfo.InvariantCulture, $"annotation {own}")
                : string.Create(CultureInfo.InvariantCulture, $"the annotation at byte {one.Offset}");
            if (one.Id is { } id && !seen.Add(id))
                faults.Problem("numbers of annotations that are there twice", path, one.Offset, name, "its 'id' is there a second time");
            else if (!byId.TryGetValue(one.Image, out var image))
                faults.Problem(
                    "annotations of images that are not listed",
                    path,
                    one.Offset,
                    name,
                    $"its 'image_id' is {one.Image}, and '{Images}' lists no such image"
                );
            else if (!numbers.TryGetValue(one.Category, out var label))
                faults.Problem(
                    "annotations of categories that are not listed",
                    path,
                    one.Offset,
                    name,
                    $"its 'category_id' is {one.Category}, and '{Categories}' lists no such category"
                );
            else if (Object(one, image, label, one.Id ?? next++, name, hasMasks) is { } found)
                image.Objects.Add(found);
        }
        return new([.. byId.Values.OrderBy(image => image.Id)], classes);
    }

    private ImageObject? Object(Annotation one, CocoImage image, int label, long id, string name, bool hasMasks)
    {
        InstanceMask? mask = null;
        try
        {
            if (one.Segmentation is { } outline)
                mask = outline.Mask(
                    image.Size
                        ?? throw new DataException($"image {image.Id} has no 'height' and 'width', without which masks cannot be read")
                );
        }
        catch (DataException error)
        {
            faults.Problem("masks that cannot be read", path, one.Offset, name, error.Message);
            return null;
        }
        if (one.Segmentation is { LeftOut: true })
            faults.Remark("annotations with polygons of fewer than three points, which were left out", name);
        if (hasMasks && mask is null)
            faults.Remark("annotations without a mask, where others have some", name);
        if (one.Box is null)
            faults.Remark("annotations without a box, which is that of the mask now", name);
        if (one.Area is null)
            faults.Remark("annotations without an area, which is that of the mask or the box now", name);
        var box = one.Box is var (x, y, width, height) ? new(x, y, x + width, y + height) : mask!.Bounds;
        if (!double.IsFinite(box.Area))
        {
            faults.Problem("boxes that are no numbers", path, one.Offset, name, "'bbox' is too large");
            return null;
        }
        if (box.Area == 0 || one.Area == 0)
            faults.Remark("objects without an area, which training leaves out", name);
        else if (image.Size is { } size && (box.Right <= 0 || box.Bottom <= 0 || box.Left >= size.Width || box.Top >= size.Height))
            faults.Remark("boxes outside of their image, which training leaves out", name);
        return new(box, label, id, one.IsCrowd, one.IsIgnored, one.Area ?? mask?.Area, mask);
    }

    // For annotations without a number.
    private long NextId()
    {
        var next = 1L;
        foreach (var one in annotations)
            next = Math.Max(next, one.Id is { } id and < long.MaxValue ? id + 1 : 0);
        return next;
    }

    private Dictionary<long, CocoImage> JoinImages()
    {
        var byId = new Dictionary<long, CocoImage>(images.Count);
        foreach (var (image, offset) in images)
            if (!byId.TryAdd(image.Id, image))
                faults.Problem(
                    "numbers of images that are there twice",
                    path,
                    offset,
                    $"image {image.Id}",
                    $"its 'id' is there a second time ({byId[image.Id].File} and {image.File})"
                );
        foreach (var same in byId.Values.CountBy(image => image.File).Where(file => file.Value > 1))
            faults.Remark("files that several images name", same.Key);
        return byId;
    }

    private (long Id, string Name)[] JoinCategories()
    {
        var byId = new SortedDictionary<long, string>();
        foreach (var (id, name, offset) in categories)
            if (!byId.TryAdd(id, name))
                faults.Problem(
                    "numbers of categories that are there twice",
                    path,
                    offset,
                    $"category {id}",
                    $"its 'id' is there a second time ({byId[id]} and {name})"
                );
        var several = byId.Values.CountBy(name => name).Where(name => name.Value > 1).Select(name => name.Key).ToHashSet();
        foreach (var name in several)
            faults.Remark("names that several categories have, to which their numbers were added", name);
        return [.. byId.Select(one => (one.Key, several.Contains(one.Value) ? $"{one.Value} ({one.Key})" : one.Value))];
    }
}
