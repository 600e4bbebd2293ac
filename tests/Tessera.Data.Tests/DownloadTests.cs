using System.Net;
using System.Security.Cryptography;
using Tessera.Data.Downloads;
using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public sealed class DownloadTests : IDisposable
{
    private readonly byte[] content = new byte[300_000];
    private readonly HttpListener server = new();
    private readonly string address;
    private readonly List<string?> ranges = [];
    private readonly TempFolder folder = new();
    private readonly HttpClient client = new();
    private int failures;

    public DownloadTests()
    {
        new Random(2).NextBytes(content);
        var port = Random.Shared.Next(20_000, 60_000);
        address = $"http://127.0.0.1:{port}/";
        server.Prefixes.Add(address);
        server.Start();
        _ = ServeAsync();
    }

    private string Checksum => Convert.ToHexStringLower(SHA256.HashData(content));

    private async Task ServeAsync()
    {
        while (server.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await server.GetContextAsync();
            }
            catch (Exception error) when (error is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
            var (request, response) = (context.Request, context.Response);
            if (request.Url!.AbsolutePath != "/file")
            {
                response.StatusCode = 404;
                response.Close();
                continue;
            }
            var range = request.Headers["Range"];
            ranges.Add(range);
            var start = range is null
                ? 0
                : int.Parse(range["bytes=".Length..].TrimEnd('-'), System.Globalization.CultureInfo.InvariantCulture);
            response.StatusCode = range is null ? 200 : 206;
            response.ContentLength64 = content.Length - start;
            var broken = failures-- > 0;
            await response.OutputStream.WriteAsync(content.AsMemory(start, broken ? 100_000 : content.Length - start));
            if (broken)
                response.Abort();
            else
                response.Close();
        }
    }

    public void Dispose()
    {
        server.Close();
        client.Dispose();
        folder.Dispose();
    }

    [Fact]
    public async Task A_broken_transfer_goes_on_where_it_ended()
    {
        failures = 1;
        var path = await new Downloader(client).FetchAsync(new("file", [address + "file"], Checksum), folder.Path);
        Assert.Equal(content, File.ReadAllBytes(path));
        Assert.Equal(2, ranges.Count);
        Assert.Null(ranges[0]);
        Assert.StartsWith("bytes=", ranges[1], StringComparison.Ordinal);
        Assert.False(File.Exists(path + ".part"));
    }

    [Fact]
    public async Task A_later_start_goes_on_too_and_reports_progress()
    {
        folder.Write("file.part", content[..123_456]);
        var last = new DownloadProgress("", 0, 0);
        var path = await new Downloader(client).FetchAsync(
            new("file", [address + "file"], Checksum),
            folder.Path,
            new Reporter(progress => last = progress)
        );
        Assert.Equal(content, File.ReadAllBytes(path));
        Assert.Equal(["bytes=123456-"], ranges);
        Assert.Equal(new DownloadProgress("file", content.Length, content.Length), last);
    }

    [Fact]
    public async Task The_next_address_serves_when_one_does_not()
    {
        var path = await new Downloader(client).FetchAsync(new("file", [address + "missing", address + "file"], Checksum), folder.Path);
        Assert.Equal(content, File.ReadAllBytes(path));
    }

    [Fact]
    public async Task A_wrong_checksum_is_an_error_and_leaves_nothing()
    {
        var error = await Assert.ThrowsAsync<DataException>(() =>
            new Downloader(client).FetchAsync(new("file", [address + "file"], new string('0', 64)), folder.Path)
        );
        Assert.Contains("checksum", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public async Task A_file_that_is_there_is_not_fetched_again()
    {
        folder.Write("file", content);
        await new Downloader(client).FetchAsync(new("file", [address + "file"], Checksum), folder.Path);
        Assert.Empty(ranges);
    }

    [Fact]
    public void Every_plan_is_for_a_known_set_and_has_checksums_of_the_right_length()
    {
        foreach (var plan in DatasetDownload.Plans.Values)
        {
            Assert.Equal(plan.Name, Datasets.Find(plan.Name).Name);
            Assert.All(plan.Files.Concat(plan.Fallback?.Files ?? []), file =>
                Assert.True(file.Checksum is null || file.Checksum.Length is 32 or 64)
            );
        }
    }

    private sealed class Reporter(Action<DownloadProgress> report) : IProgress<DownloadProgress>
    {
        public void Report(DownloadProgress value) => report(value);
    }
}
