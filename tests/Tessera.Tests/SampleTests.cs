using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.RegularExpressions;
using Tessera.Testing;
using Tessera.Training.Bundles;

namespace Tessera.Hosting.Tests;

/// <summary>The programs in samples/, run as a user runs them.</summary>
[Collection(TrainedRunGroup.Name)]
public sealed partial class SampleTests(TrainedRun run) : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static ProcessStartInfo Start(string sample, params string[] arguments)
    {
        // The tests lie in artifacts/bin/Tessera.Tests/CONFIGURATION.
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        var built = Path.Combine(Repository.Root, "artifacts", "bin", sample, configuration);
        return new("dotnet", [Path.Combine(built, $"{sample}.dll"), .. arguments])
        {
            WorkingDirectory = built,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment =
            {
                ["OMP_NUM_THREADS"] = "1",
                ["TESSERA_NATIVE"] = Environment.GetEnvironmentVariable("TESSERA_NATIVE")
                    ?? Path.Combine(Repository.Root, "artifacts", "native", "system", "libtessera.so"),
            },
        };
    }

    private static (int Code, string[] Lines, string Errors) Run(string sample, params string[] arguments)
    {
        using var process = Process.Start(Start(sample, arguments))!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output.Split('\n', StringSplitOptions.RemoveEmptyEntries), errors.Result);
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    [Fact]
    public void A_folder_is_classified()
    {
        var test = Path.Combine(run.Photos, "test");
        var (code, lines, errors) = Run("Classify", run.Path, test);
        Assert.True(code == 0, errors);
        Assert.Equal(run.TestPhotos.Count, lines.Length);
        var right = 0;
        foreach (var (line, photo) in lines.Zip(run.TestPhotos))
        {
            var fields = line.Split('\t');
            Assert.Equal(Path.GetRelativePath(test, photo.File), fields[0]);
            Assert.InRange(Number(fields[2]), 1.0 / 3, 1);
            right += fields[1] == photo.Class ? 1 : 0;
        }
        Assert.InRange(right, lines.Length - 1, lines.Length);
    }

    [Fact]
    public void A_file_that_is_no_image_is_told_and_the_others_are_classified()
    {
        Photos.WriteFile(folder["a.ppm"], "sky", 1);
        folder.Write("b.png", "no image");
        Photos.WriteFile(folder["c.ppm"], "grass", 2);
        var (code, lines, errors) = Run("Classify", run.Path, folder.Path);
        Assert.Equal(1, code);
        Assert.Equal(["a.ppm\tsky", "c.ppm\tgrass"], lines.Select(line => line[..line.LastIndexOf('\t')]));
        Assert.StartsWith($"{folder["b.png"]}: not a JPEG", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void The_neighbors_of_a_photo_are_of_its_class()
    {
        foreach (var name in Photos.Known)
        {
            Photos.WriteFile(folder["wanted.ppm"], name, 99);
            var (code, lines, errors) = Run("Neighbors", run.Path, Path.Combine(run.Photos, "train"), folder["wanted.ppm"], "5");
            Assert.True(code == 0, errors);
            Assert.Equal(5, lines.Length);
            Assert.All(lines, line => Assert.Equal(name, Path.GetDirectoryName(line.Split('\t')[1])));
            var similarities = lines.Select(line => Number(line.Split('\t')[0])).ToArray();
            Assert.Equal(similarities.OrderDescending(), similarities);
        }
    }

    [Fact]
    public void A_model_is_fine_tuned_on_own_photos_and_used()
    {
        Photos.Write(folder["photos"], Photos.New, train: 24, test: 8);
        var (code, lines, errors) = Run("FineTune", folder["photos"], folder["run"], run.Path, "5");
        Assert.True(code == 0, errors);
        Assert.Equal(
            ["epoch 1", "epoch 2", "epoch 3", "epoch 4", "epoch 5"],
            lines[..5].Select(line => line[..line.IndexOf(':', StringComparison.Ordinal)])
        );
        var accuracy = Number(lines[4][(lines[4].LastIndexOf(' ') + 1)..]);
        Assert.InRange(accuracy, 0.9, 1);
        Assert.Equal(Photos.New, ModelBundle.Load(folder["run"]).Classes);
        Assert.Equal(Photos.New.Select(name => $"a photo of {name} looks like {name}"), lines[5..]);
    }

    [Fact]
    public void A_model_and_an_objective_of_its_own_are_trained_and_loaded()
    {
        var (code, lines, errors) = Run("OwnModel", run.Photos, folder["run"], "6");
        Assert.True(code == 0, errors);
        Assert.InRange(Number(lines[0].Split(' ')[1]), 0.9, 1);
        Assert.Equal("conv_net_32 tells brick, grass, sky apart", lines[1]);
        Assert.Contains("focal", File.ReadAllText(folder["run/recipe.yaml"]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_space_of_own_blocks_is_searched()
    {
        var (code, lines, errors) = Run("OwnSearch", run.Photos, folder["search"]);
        Assert.True(code == 0, errors);
        Assert.Equal(4, lines.Length);
        Assert.All(lines[..3], line => Assert.Matches(@"^\d+-\d+-\d+  [01]\.\d{3}$", line));
        Assert.InRange(Number(lines[3].Split(' ')[1]), 0.9, 1);
        Assert.Contains("random_chain", File.ReadAllText(folder["search/search.yaml"]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Classify")]
    [InlineData("Neighbors")]
    [InlineData("FineTune")]
    [InlineData("OwnModel")]
    [InlineData("OwnSearch")]
    public void Without_arguments_a_sample_tells_its_usage(string sample)
    {
        var (code, lines, errors) = Run(sample);
        Assert.Equal(2, code);
        Assert.Empty(lines);
        Assert.StartsWith("usage: ", errors, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"Now listening on: (http://\S+)")]
    private static partial Regex Listening { get; }

    [Fact]
    public async Task Thirty_two_clients_at_once_get_the_answers_of_their_own_images()
    {
        using var service = Process.Start(Start("WebApi", "--urls=http://127.0.0.1:0", $"--Tessera:Run={run.Path}", "--Tessera:Top=3"))!;
        try
        {
            var errors = service.StandardError.ReadToEndAsync();
            Uri? address = null;
            while (address is null)
            {
                var line = await service.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException(await errors);
                if (Listening.Match(line) is { Success: true } found)
                    address = new(found.Groups[1].Value);
            }
            var rest = service.StandardOutput.ReadToEndAsync();
            using var predictor = new Predictor(new() { Run = run.Path });
            await Task.WhenAll(Enumerable.Range(0, 32).Select(client => Ask(address, client, predictor)));

            using var http = new HttpClient { BaseAddress = address };
            Assert.Equal("Healthy", await http.GetStringAsync(new Uri("/health", UriKind.Relative)));
            using var content = new ByteArrayContent("no image"u8.ToArray());
            using var refused = await http.PostAsync(new Uri("/classify", UriKind.Relative), content);
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
            Assert.Contains("image: not a JPEG", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        finally
        {
            service.Kill(entireProcessTree: true);
            await service.WaitForExitAsync();
        }
    }

    private static async Task Ask(Uri address, int client, Predictor predictor)
    {
        using var http = new HttpClient { BaseAddress = address };
        for (var round = 0; round < 5; round++)
        {
            var photo = Photos.Draw(Photos.Known[(client + round) % 3], 5000 + client * 5 + round);
            using var content = new ByteArrayContent(photo);
            using var response = await http.PostAsync(new Uri("/classify", UriKind.Relative), content);
            response.EnsureSuccessStatusCode();
            var answer = await response.Content.ReadFromJsonAsync<Answer[]>();
            var expected = (await predictor.PredictAsync(photo)).Classes;
            Assert.Equal(expected.Select(one => new Answer(one.Class, one.Probability)), answer!);
        }
    }

    private sealed record Answer(string Class, double Probability);
}
