using Tessera.Testing;

namespace Tessera.Cli.Tests;

public sealed class ScoreImagesTests : IDisposable
{
    private const int Pictures = 70,
        Side = 8;

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    // Pictures with a bright half of another colour each, or noise.
    private void Write(string name, int seed, bool noise = false, int count = Pictures)
    {
        // One sequence: numbers of neighbouring seeds resemble each other.
        var random = new Random(seed);
        for (var picture = 0; picture < count; picture++)
        {
            var pixels = new byte[3 * Side * Side];
            random.NextBytes(pixels);
            var (across, color) = (random.Next(2) == 0, new[] { random.Next(256), random.Next(256), random.Next(256) });
            for (var i = 0; i < pixels.Length && !noise; i++)
            {
                var (y, x) = (i / 3 / Side, i / 3 % Side);
                pixels[i] = (byte)((across ? x : y) < Side / 2 ? color[i % 3] : 20);
            }
            folder.Write(Path.Combine(name, $"{picture:000}.ppm"), Pnm.Pixels(Side, Side, pixels));
        }
    }

    private Ended Score(string real, string generated, params string[] more) =>
        CommandLineTool.Run(["score-images", folder[real], folder[generated], "--embedding", "random-conv:2", .. more]);

    private static double Distance(Ended ended) => ended.Json.GetProperty("figures").GetProperty("distance").GetDouble();

    [Fact]
    public void Like_pictures_are_near_and_noise_is_far()
    {
        Write("real", 1);
        Write("like", 2);
        Write("noise", 3, noise: true);
        var ended = Score("real", "like").Succeeded();
        Assert.Matches(@"(?m)^FD-random-conv:2 \(n 70, [0-9a-f]{12}\) +\d", ended.Output);
        Assert.Matches(@"(?m)^precision \(n 70, [0-9a-f]{12}\) +\d+\.\d\d %$", ended.Output);
        Assert.Matches(@"(?m)^sha256 +[0-9a-f]{64}$", ended.Output);
        Assert.Matches(@"(?m)^generated pictures +70$", ended.Output);
        Assert.DoesNotContain("FID", ended.Output, StringComparison.Ordinal);
        var (like, noise, same) = (Score("real", "like", "--json"), Score("real", "noise", "--json"), Score("real", "real", "--json"));
        Assert.InRange(Distance(like.Succeeded()), 0, Distance(noise.Succeeded()) / 5);
        Assert.Equal(0, Distance(same.Succeeded()), 1e-6);
    }

    [Fact]
    public void Fewer_pictures_than_dimensions_need_a_permission()
    {
        Write("real", 1, count: 9);
        Write("like", 2, count: 10);
        Assert.Contains(
            "9 real and 10 generated images are fewer than the 64 dimensions",
            Score("real", "like").UserError(),
            StringComparison.Ordinal
        );
        var ended = Score("real", "like", "--allow-few").Succeeded();
        Assert.Matches(@"(?m)^FD-random-conv:2 \(n 10 to 9, ", ended.Output);
        Assert.Contains("fewer images than dimensions", ended.Output, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^FD-random-conv:2 \(n 5, ", Score("real", "like", "--allow-few", "--limit", "5").Succeeded().Output);
    }

    [Fact]
    public void Pictures_of_other_sizes_and_channels_and_unreadable_ones_are_told_apart()
    {
        Write("real", 1);
        Write("like", 2);
        folder.Write(Path.Combine("like", "other.pgm"), Pnm.Grey(90, 5, 7));
        folder.Write(Path.Combine("like", "bad.png"), "no picture");
        var ended = Score("real", "like", "--json");
        Assert.Equal(2, ended.Code);
        Assert.Contains("1 of 72 pictures cannot be read and are left out", ended.Error, StringComparison.Ordinal);
        Assert.Contains("bad.png", ended.Error, StringComparison.Ordinal);
        Assert.Equal(71, ended.Json.GetProperty("evaluation").GetProperty("generated").GetInt32());
    }

    [Fact]
    public void Features_of_real_pictures_are_kept()
    {
        Write("real", 1);
        Write("like", 2);
        var first = Score("real", "like", "--json", "--cache", folder["features"]).Succeeded();
        var hash = first.Json.GetProperty("evaluation").GetProperty("embedding").GetProperty("sha256").GetString();
        Assert.True(File.Exists(Path.Combine(folder["features"], $"{hash}.safetensors")));
        Assert.Equal(Distance(first), Distance(Score("real", "like", "--json", "--cache", folder["features"]).Succeeded()));
    }

    [Theory]
    [InlineData("real", "none", "none: there is no such folder")]
    [InlineData("nothing", "real", "nothing: there is no such folder, and no data set of that name")]
    public void What_is_not_there_is_named(string real, string generated, string message)
    {
        Write("real", 1, count: 2);
        Assert.Contains(message, Score(real, generated).UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_embedding_has_to_be_one()
    {
        Write("real", 1, count: 2);
        var ended = CommandLineTool.Run(["score-images", folder["real"], folder["real"], "--embedding", "inception"]);
        Assert.Contains("there is no embedding 'inception'", ended.UserError(), StringComparison.Ordinal);
    }
}
