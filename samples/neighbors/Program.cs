// Finds the images of a folder that look most like one image:
//   dotnet run --project samples/neighbors -- RUN FOLDER IMAGE [COUNT]
using System.Globalization;
using Tessera.Data.Imaging;
using Tessera.Hosting;

if (args is not [var run, var folder, var wanted, .. var rest])
{
    Console.Error.WriteLine("usage: neighbors RUN FOLDER IMAGE [COUNT]");
    return 2;
}
var count = rest is [var text] ? int.Parse(text, CultureInfo.InvariantCulture) : 5;

using var predictor = new Predictor(new PredictorOptions { Run = run });
using var generator = new ImageEmbeddingGenerator(predictor);

string[] files =
[
    .. Directory
        .EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .Where(file => ImageDecoder.Extensions.Contains(Path.GetExtension(file).ToLowerInvariant())),
];
var embeddings = await generator.GenerateAsync(files.Select(file => Image.Open(file)));
var query = await generator.GenerateAsync([Image.Open(wanted)]);

var nearest = files
    .Zip(embeddings, (file, embedding) => (File: file, Similarity: Cosine(query[0].Vector.Span, embedding.Vector.Span)))
    .OrderByDescending(one => one.Similarity)
    .Take(count);
foreach (var (file, similarity) in nearest)
    Console.WriteLine($"{similarity.ToString("0.0000", CultureInfo.InvariantCulture)}\t{Path.GetRelativePath(folder, file)}");
return 0;

static double Cosine(ReadOnlySpan<float> one, ReadOnlySpan<float> other)
{
    var (product, first, second) = (0.0, 0.0, 0.0);
    for (var i = 0; i < one.Length; i++)
        (product, first, second) = (product + one[i] * other[i], first + one[i] * one[i], second + other[i] * other[i]);
    return product / Math.Sqrt(first * second);
}
