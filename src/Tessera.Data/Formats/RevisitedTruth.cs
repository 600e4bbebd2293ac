using Tessera.Checkpoints;

namespace Tessera.Data.Formats;

/// <summary>
/// Ground truth of revisited Oxford and Paris, <c>gnd_*.pkl</c>: a pickled dictionary of plain values, read as data. A file that names a
/// class or a function of Python other than those of numpy's arrays is refused.
/// </summary>
/// <param name="Images">Names of the searched images, without their ending.</param>
/// <param name="Queries">The queries in their order.</param>
internal sealed record RevisitedTruth(IReadOnlyList<string> Images, IReadOnlyList<RevisitedQuery> Queries)
{
    private static readonly string[] lists = ["easy", "hard", "junk"];

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DataException">Not such a file; the message names the field.</exception>
    public static RevisitedTruth Read(string path)
    {
        try
        {
            using var file = Checkpoint.Open(path, new(Strict: true));
            return new Reader(path).Truth(file.Root);
        }
        catch (Exception error) when (error is CheckpointException or FileNotFoundException)
        {
            throw new DataException(error.Message, error);
        }
    }

    private sealed class Reader(string path)
    {
        internal RevisitedTruth Truth(object? root)
        {
            if (root is not CheckpointDictionary fields)
                throw Wrong("the file", root, "must be a dictionary with imlist, qimlist and gnd");
            var (images, queries) = (Names(fields, "imlist"), Names(fields, "qimlist"));
            var truths = List(fields, "gnd", "gnd");
            if (truths.Count != queries.Length)
                throw new DataFormatException(path, null, $"gnd has {truths.Count} entries and qimlist {queries.Length}: one per query");
            return new(images, [.. queries.Select((name, i) => Query($"gnd[{i}]", name, truths[i], images.Length))]);
        }

        private RevisitedQuery Query(string field, string name, object? value, int images)
        {
            if (value is not CheckpointDictionary fields)
                throw Wrong(field, value, "must be a dictionary with bbx, easy, hard and junk");
            var box = Numbers(fields, $"{field}.bbx", "bbx");
            if (box is not [var left, var top, var right, var bottom] || !box.All(double.IsFinite) || right <= left || bottom <= top)
                throw new DataFormatException(path, null, $"{field}.bbx must be left, top, right and bottom of a box");
            var seen = new Dictionary<int, string>();
            var found = lists.Select(list => Positions(fields, $"{field}.{list}", list, images, seen)).ToArray();
            return new(name, (left, top, right, bottom), found[0], found[1], found[2]);
        }

        private int[] Positions(CheckpointDictionary fields, string field, string key, int images, Dictionary<int, string> seen)
        {
            var numbers = Numbers(fields, field, key);
            var result = new int[numbers.Length];
            foreach (var (i, number) in numbers.Index())
            {
                if (!(number >= 0 && number < images && double.IsInteger(number)))
                    throw new DataFormatException(
                        path,
                        null,
                        $"{field}[{i}] is {number}, and must be a place in imlist, from 0 to {images - 1}"
                    );
                result[i] = (int)number;
                if (!seen.TryAdd(result[i], field))
                    throw new DataFormatException(path, null, $"{field}[{i}]: image {number} is in {seen[result[i]]} already");
            }
            return result;
        }

        private string[] Names(CheckpointDictionary fields, string key)
        {
            var list = List(fields, key, key);
            var seen = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (var (i, value) in list.Index())
            {
                if (value is not string name || name.Length == 0)
                    throw Wrong($"{key}[{i}]", value, "must be the name of an image");
                if (Path.IsPathRooted(name) || name.Split('/', '\\').Contains("..") || name.Contains('\0', StringComparison.Ordinal))
                    throw new DataFormatException(path, null, $"{key}[{i}]: '{name}' must be a path below the folder of images");
                if (!seen.TryAdd(name, i))
                    throw new DataFormatException(path, null, $"{key}[{i}]: '{name}' is {key}[{seen[name]}] already");
            }
            return [.. seen.Keys];
        }

        private IReadOnlyList<object?> List(CheckpointDictionary fields, string field, string key) =>
            Value(fields, field, key) switch
            {
                List<object?> list => list,
                CheckpointTuple tuple => tuple,
                var other => throw Wrong(field, other, "must be a list"),
            };

        private double[] Numbers(CheckpointDictionary fields, string field, string key) =>
            Value(fields, field, key) switch
            {
                CheckpointTensor { Refusal: null } tensor when tensor.Shape.Length == 1 => Numbers(field, tensor),
                IReadOnlyList<object?> list => [.. list.Select((value, i) => Number($"{field}[{i}]", value))],
                var other => throw Wrong(field, other, "must be a list of numbers"),
            };

        private double[] Numbers(string field, CheckpointTensor tensor) =>
            tensor.DType switch
            {
                DType.Int64 => [.. tensor.ToArray<long>().Select(value => (double)value)],
                DType.Int32 => [.. tensor.ToArray<int>().Select(value => (double)value)],
                DType.Float64 => tensor.ToArray<double>(),
                DType.Float32 => [.. tensor.ToArray<float>().Select(value => (double)value)],
                var other => throw new DataFormatException(path, null, $"{field} must be numbers, not an array of {other}"),
            };

        private double Number(string field, object? value) =>
            value switch
            {
                long number => number,
                double number => number,
                _ => throw Wrong(field, value, "must be a number"),
            };

        private object? Value(CheckpointDictionary fields, string field, string key) =>
            fields.TryGetValue(key, out var value) ? value : throw new DataFormatException(path, null, $"{field} is missing");

        private DataFormatException Wrong(string field, object? value, string right) =>
            new(path, null, $"{field} {right}, not {Kind(value)}");

        private static string Kind(object? value) =>
            value switch
            {
                null => "None",
                string => "a text",
                bool => "a truth value",
                long or double => "a number",
                CheckpointDictionary => "a dictionary",
                CheckpointTensor => "an array",
                IReadOnlyList<object?> => "a list",
                _ => "another value",
            };
    }
}

/// <summary>A query of revisited Oxford or Paris.</summary>
/// <param name="Name">Name of its image, without the ending.</param>
/// <param name="Box">The part of the image that is the query, in pixels.</param>
/// <param name="Easy">Places of the searched images that show its landmark clearly.</param>
/// <param name="Hard">Places of those that show it with difficulty.</param>
/// <param name="Junk">Places of those that count neither way.</param>
internal sealed record RevisitedQuery(
    string Name,
    (double Left, double Top, double Right, double Bottom) Box,
    IReadOnlyList<int> Easy,
    IReadOnlyList<int> Hard,
    IReadOnlyList<int> Junk
);
