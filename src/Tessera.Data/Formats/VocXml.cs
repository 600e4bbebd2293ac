using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace Tessera.Data.Formats;

/// <summary>An object as a Pascal VOC file has it.</summary>
/// <param name="Line">Where in the file, from 1.</param>
/// <param name="Name">Of its class.</param>
/// <param name="Corners">xmin, ymin, xmax and ymax as they stand there.</param>
/// <param name="IsDifficult">Whether it is marked as hard to recognise.</param>
internal sealed record VocObject(int Line, string Name, ObjectBox Corners, bool IsDifficult);

/// <summary>An image and its objects, in the XML of Pascal VOC.</summary>
/// <param name="File">Name of the image, where it stands there.</param>
/// <param name="Size">Of the image, where it stands there.</param>
/// <param name="Objects">In the order of the file.</param>
internal sealed record VocXml(string? File, ImageSize? Size, IReadOnlyList<VocObject> Objects)
{
    // Characters of a file: one has some hundred objects at most.
    private const long Longest = 1 << 26;

    private const int MostNested = 64;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="faults">Takes objects that cannot be read.</param>
    /// <exception cref="DataException">The file is none of this form, or has a problem that is not kept.</exception>
    internal static VocXml Read(string path, AnnotationFaults faults)
    {
        var root = Load(path);
        if (root.Name.LocalName != "annotation")
            throw new DataFormatException(
                path,
                null,
                $"line {Line(root)}: the file must hold <annotation>, and holds <{root.Name.LocalName}>"
            );
        ImageSize? size = null;
        if (root.Element("size") is { } given)
        {
            var (height, width) = (Number(path, given, "height"), Number(path, given, "width"));
            // Some tools write 0 where they do not know.
            if (height != 0 || width != 0)
                size =
                    height is >= 1 and <= int.MaxValue && width is >= 1 and <= int.MaxValue
                        ? new((int)height, (int)width)
                        : throw Wrong(
                            path,
                            given,
                            string.Create(CultureInfo.InvariantCulture, $"the size is {height}x{width}: both sides must be at least 1")
                        );
        }
        var objects = new List<VocObject>();
        // Parts of an object stand within it and are no objects.
        foreach (var one in root.Elements("object"))
            try
            {
                objects.Add(Object(path, one));
            }
            catch (DataFormatException error) when (faults.IsLenient)
            {
                faults.Problem("objects that cannot be read", path, null, $"line {Line(one)}", error.Message);
            }
        return new(root.Element("filename")?.Value.Trim() is { Length: > 0 } name ? name : null, size, objects);
    }

    private static VocObject Object(string path, XElement one)
    {
        var name = Child(path, one, "name").Value.Trim();
        if (name.Length == 0)
            throw Wrong(path, one, "<name> is empty");
        var box = Child(path, one, "bndbox");
        var corners = new ObjectBox(
            Number(path, box, "xmin"),
            Number(path, box, "ymin"),
            Number(path, box, "xmax"),
            Number(path, box, "ymax")
        );
        if (!(corners.Left <= corners.Right && corners.Top <= corners.Bottom && double.IsFinite(corners.Area)))
            throw Wrong(
                path,
                box,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"the box is ({corners.Left}, {corners.Top}) to ({corners.Right}, {corners.Bottom}): xmin and ymin must come first"
                )
            );
        return new(Line(one), name, corners, one.Element("difficult")?.Value.Trim() is "1" or "true" or "True");
    }

    private static XElement Load(string path)
    {
        // Nothing that a file declares or refers to is followed.
        var settings = new XmlReaderSettings
        {
            DtdProcessing = DtdProcessing.Prohibit,
            XmlResolver = null,
            MaxCharactersInDocument = Longest,
        };
        try
        {
            var bytes = DataFiles.ReadAll(path);
            // The text of an element is put together by recursion: no input may exhaust the stack.
            using (var file = XmlReader.Create(new MemoryStream(bytes), settings))
                while (file.Read())
                    if (file.Depth > MostNested)
                        throw new DataFormatException(
                            path,
                            null,
                            $"line {((IXmlLineInfo)file).LineNumber}: nested more than {MostNested} deep"
                        );
            using var reader = XmlReader.Create(new MemoryStream(bytes), settings);
            return XDocument.Load(reader, LoadOptions.SetLineInfo).Root!;
        }
        catch (XmlException error)
        {
            // Of an empty file, and of one that declares what is not allowed, no line is known.
            var place = error.LineNumber > 0 ? $"line {error.LineNumber}: " : "";
            throw new DataFormatException(path, null, $"{place}not valid XML: {error.Message}", error);
        }
        // Of an encoding that is declared and not known.
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw new DataFormatException(path, null, $"not valid XML: {error.Message}", error);
        }
    }

    private static XElement Child(string path, XElement parent, string name) =>
        parent.Element(name) ?? throw Wrong(path, parent, $"<{parent.Name.LocalName}> has no <{name}>");

    private static double Number(string path, XElement parent, string name)
    {
        var child = Child(path, parent, name);
        return
            double.TryParse(child.Value.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
            ? number
            : throw Wrong(path, child, $"<{name}> is '{child.Value}': it must be a number");
    }

    private static int Line(XElement element) => ((IXmlLineInfo)element).LineNumber;

    private static DataFormatException Wrong(string path, XElement element, string problem) =>
        new(path, null, $"line {Line(element)}: {problem}");
}
