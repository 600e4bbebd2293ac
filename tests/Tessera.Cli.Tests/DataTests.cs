using System.Net;
using System.Net.Sockets;
using System.Text;
using Tessera.Cli.Rendering;
using Tessera.Data;
using Tessera.Data.Sets;

namespace Tessera.Cli.Tests;

public sealed class DataTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("tessera-data-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void List_names_every_data_set_and_tells_which_are_present()
    {
        WriteTrec();
        Directory.CreateDirectory(Path.Combine(folder, "mnist"));
        var listed = CommandLineTool.Run("data", "list", "--root", folder, "--json").Succeeded().Json.EnumerateArray().ToArray();
        Assert.Equal(Datasets.Kinds.Keys.Order(StringComparer.Ordinal), listed.Select(kind => kind.GetProperty("name").GetString()));
        Assert.Equal(
            ["trec"],
            listed.Where(kind => kind.GetProperty("present").GetBoolean()).Select(kind => kind.GetProperty("name").GetString()!)
        );
        Assert.False(listed.Single(kind => kind.GetProperty("name").GetString() == "imagenet").GetProperty("fetchable").GetBoolean());
        Assert.Equal(Datasets.Kinds.Count, CommandLineTool.Run("data", "list", "--quiet").Succeeded().Lines.Length);
        Assert.Equal(
            Path.Combine(folder, "trec"),
            listed.Single(kind => kind.GetProperty("name").GetString() == "trec").GetProperty("folder").GetString()
        );
        Assert.Contains("60,000 articles of clothing", CommandLineTool.Run("data", "list").Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public void List_finds_what_packages_of_the_system_have_brought()
    {
        if (!Directory.Exists(Datasets.Find("fashion_mnist").Elsewhere))
            return;
        var listed = CommandLineTool
            .Run(folder, ["data", "list", "--json"], new Dictionary<string, string> { ["TESSERA_DATA"] = folder })
            .Succeeded()
            .Json.EnumerateArray();
        Assert.Equal(
            ["fashion_mnist"],
            listed.Where(kind => kind.GetProperty("present").GetBoolean()).Select(kind => kind.GetProperty("name").GetString()!)
        );
    }

    [Fact]
    public void Get_keeps_files_that_are_there_and_counts_them()
    {
        WriteTrec();
        var got = CommandLineTool.Run("data", "get", "trec", "--root", folder, "--json").Succeeded().Json;
        Assert.Equal(Path.Combine(folder, "trec"), got.GetProperty("folder").GetString());
        Assert.Equal(2, got.GetProperty("parts").GetProperty("train").GetInt32());
        Assert.Equal(
            Path.Combine(folder, "trec"),
            Assert.Single(CommandLineTool.Run("data", "get", "trec", "--root", folder, "--quiet").Succeeded().Lines)
        );
    }

    [Fact]
    public void Check_compares_checksums_of_the_files_as_fetched()
    {
        Directory.CreateDirectory(Path.Combine(folder, "kmnist"));
        File.WriteAllText(Path.Combine(folder, "kmnist", "train-images-idx3-ubyte.gz"), "damaged");
        Assert.Contains("checksum", CommandLineTool.Run("data", "check", "kmnist", "--root", folder).UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_fetched_is_an_error_of_one_line()
    {
        Assert.Contains("cifar10", CommandLineTool.Run("data", "get", "cifar11").UserError(), StringComparison.Ordinal);
        Assert.Contains(
            "imagenet cannot be fetched",
            CommandLineTool.Run("data", "get", "imagenet", "--root", folder).UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "tessera data get kmnist",
            CommandLineTool.Run("data", "check", "kmnist", "--root", folder).UserError(),
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("404 Not Found", "", "404")]
    [InlineData("200 OK", "another file", "checksum")]
    public void A_transfer_that_fails_names_file_and_cause(string status, string body, string cause)
    {
        // The addresses are fixed, so the answers come from a proxy.
        using var proxy = new TcpListener(IPAddress.Loopback, 0);
        proxy.Start();
        var served = Task.Run(async () =>
        {
            using var client = await proxy.AcceptTcpClientAsync();
            var stream = client.GetStream();
            _ = await stream.ReadAsync(new byte[4096]);
            await stream.WriteAsync(
                Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}")
            );
        });
        var environment = new Dictionary<string, string>
        {
            ["http_proxy"] = $"http://127.0.0.1:{((IPEndPoint)proxy.LocalEndpoint).Port}",
            ["no_proxy"] = "",
        };
        var ended = CommandLineTool.Run(folder, ["data", "get", "kmnist", "--root", folder, "--quiet"], environment);
        var line = ended.UserError();
        Assert.True(served.IsCompletedSuccessfully);
        Assert.Contains("train-images-idx3-ubyte.gz cannot be fetched", line, StringComparison.Ordinal);
        Assert.Contains(cause, line, StringComparison.Ordinal);
    }

    [Fact]
    public void Progress_tells_throughput_and_time_left_of_what_is_fetched_now()
    {
        var clock = new Clock();
        List<string> lines = [];
        var view = new DownloadView(lines.Add, TimeSpan.FromSeconds(1), clock);
        const long mebi = 1 << 20;
        view.Report(new("set.zip", 20 * mebi, 100 * mebi));
        clock.Seconds = 0.5;
        view.Report(new("set.zip", 25 * mebi, 100 * mebi));
        clock.Seconds = 4;
        view.Report(new("set.zip", 60 * mebi, 100 * mebi));
        Assert.Equal(["set.zip  20.0 MiB of 100 MiB (20 %)", "set.zip  60.0 MiB of 100 MiB (60 %)  10.0 MiB/s  4 s left"], lines);
    }

    private void WriteTrec()
    {
        var place = Directory.CreateDirectory(Path.Combine(folder, "trec")).FullName;
        File.WriteAllText(Path.Combine(place, "train_5500.label"), "NUM:date When was it ?\nHUM:ind Who was it ?\n");
        File.WriteAllText(Path.Combine(place, "TREC_10.label"), "LOC:city Where was it ?\n");
    }

    private sealed class Clock : TimeProvider
    {
        internal double Seconds { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)(Seconds * 1000);
    }
}
