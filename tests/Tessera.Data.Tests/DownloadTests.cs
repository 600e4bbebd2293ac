using System.IO.Compression;
using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tessera.Data.Downloads;
using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public sealed class DownloadTests : IDisposable
{
    private byte[] content = new byte[300_000];
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
            try
            {
                await response.OutputStream.WriteAsync(content.AsMemory(start, broken ? 100_000 : content.Length - start));
                if (!broken)
                    response.Close();
            }
            catch (HttpListenerException)
            {
                // The client has had enough.
                broken = true;
            }
            if (broken)
                response.Abort();
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
    public async Task A_transfer_that_is_stopped_keeps_what_it_has_for_the_next_time()
    {
        using var stop = new CancellationTokenSource();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            new Downloader(client).FetchAsync(
                new("file", [address + "file", address + "missing"], Checksum),
                folder.Path,
                new Reporter(_ => stop.Cancel()),
                stop.Token
            )
        );
        Assert.Equal(stop.Token, error.CancellationToken);
        Assert.Equal(["file.part"], folder.Names);
        var there = File.ReadAllBytes(folder["file.part"]);
        Assert.NotEmpty(there);
        Assert.Equal(content[..there.Length], there);
        var path = await new Downloader(client).FetchAsync(new("file", [address + "file"], Checksum), folder.Path);
        Assert.Equal(content, File.ReadAllBytes(path));
        Assert.Equal([null, $"bytes={there.Length}-"], ranges);
    }

    [Fact]
    public async Task Checksums_are_compared_until_somebody_stops_it()
    {
        folder.Write("file", content);
        Assert.True(Downloader.Matches(folder["file"], Checksum));
        Assert.True(
            Downloader.Matches(folder["file"], Convert.ToHexStringLower(CryptographicOperations.HashData(HashAlgorithmName.MD5, content)))
        );
        Assert.ThrowsAny<OperationCanceledException>(() => Downloader.Matches(folder["file"], Checksum, new(canceled: true)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            new Downloader(client).FetchAsync(new("file", [address + "file"], Checksum), folder.Path, stop: new(canceled: true))
        );
        Assert.Empty(ranges);
    }

    [Fact]
    public async Task What_a_plan_fetches_is_unpacked_beside_the_archive()
    {
        using (var archive = new MemoryStream())
        {
            using (var zip = new ZipArchive(archive, ZipArchiveMode.Create))
            using (var entry = zip.CreateEntry("set/a.txt").Open())
                entry.Write("whole"u8);
            content = archive.ToArray();
        }
        var plan = new DownloadPlan("any", [new("set.zip", [address + "file"], Checksum)]);
        await DatasetDownload.RunAsync(plan, new Downloader(client), folder.Path, null, default);
        Assert.Equal("whole", File.ReadAllText(folder["set/a.txt"]));
        Assert.Equal(["set.zip"], folder.Names);
    }

    [Fact]
    public async Task A_program_that_fetches_ends_with_the_wish_to_stop()
    {
        Assert.Equal(0, CreatePipe(folder["pipe"], Convert.ToUInt32("600", 8)));
        using var stop = new CancellationTokenSource();
        // It holds the pipe open while it lives.
        var running = DebianPackage.RunAsync("sh", ["-c", "exec >pipe; echo begun; sleep 100; echo lived"], folder.Path, stop.Token);
        using var pipe = new StreamReader(folder["pipe"]);
        Assert.Equal("begun", await pipe.ReadLineAsync());
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Null(await pipe.ReadLineAsync());
    }

    [DllImport("libc", EntryPoint = "mkfifo", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int CreatePipe(string path, uint mode);

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
