// Classifies the images of a folder with a trained model:
//   dotnet run --project samples/classify -- RUN FOLDER
using System.Globalization;
using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Hosting;

if (args is not [var run, var folder])
{
    Console.Error.WriteLine("usage: classify RUN FOLDER");
    return 2;
}

using var predictor = new Predictor(new PredictorOptions { Run = run });

// All images at once: the predictor computes as many at a time as the processor has room for.
var answers = Directory
    .EnumerateFiles(folder, "*", SearchOption.AllDirectories)
    .Where(file => ImageDecoder.Extensions.Contains(Path.GetExtension(file).ToLowerInvariant()))
    .Order(StringComparer.Ordinal)
    .Select(file => (File: file, Answer: predictor.PredictAsync(file)))
    .ToArray();

var unreadable = 0;
foreach (var (file, answer) in answers)
{
    try
    {
        // One class, or as many as the model finds: a detector may find nothing.
        foreach (var one in (await answer).Classes.Where(one => one.Chosen))
        {
            var probability = one.Probability.ToString("0.0000", CultureInfo.InvariantCulture);
            Console.WriteLine($"{Path.GetRelativePath(folder, file)}\t{one.Class}\t{probability}");
        }
    }
    catch (UnreadableImageException error)
    {
        Console.Error.WriteLine(error.Message);
        unreadable++;
    }
}
return unreadable == 0 ? 0 : 1;
