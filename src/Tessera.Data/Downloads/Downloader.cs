using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;

namespace Tessera.Data.Downloads;

/// <summary>A file to be fetched.</summary>
/// <param name="Name">Under which it is stored.</param>
/// <param name="Addresses">Where it is, tried in this order.</param>
/// <param name="Checksum">MD5 (32 hexadecimal digits) or SHA-256 (64); null where none is published.</param>
public sealed record DownloadFile(string Name, IReadOnlyList<string> Addresses, string? Checksum);

/// <summary>How far a download is.</summary>
/// <param name="File">Name of the file.</param>
/// <param name="Done">Bytes that are there.</param>
/// <param name="Total">Bytes of the file, where the server says so.</param>
public sealed record DownloadProgress(string File, long Done, long? Total);

/// <summary>Fetches files: goes on where a broken transfer ended, checks them, and puts them in place only when they are whole.</summary>
/// <param name="client">Makes the requests.</param>
public sealed class Downloader(HttpClient client)
{
    private const int Attempts = 3;

    /// <summary>Fetches a file, unless it is there already.</summary>
    /// <param name="file">Which.</param>
    /// <param name="folder">Where to; made when it is missing.</param>
    /// <param name="progress">Told now and then.</param>
    /// <param name="stop">Ends the transfer; the bytes so far stay for the next time.</param>
    /// <returns>Path of the file.</returns>
    /// <exception cref="DataException">No address gives the file, or the file has another checksum.</exception>
    public async Task<string> FetchAsync(
        DownloadFile file,
        string folder,
        IProgress<DownloadProgress>? progress = null,
        CancellationToken stop = default
    )
    {
        Directory.CreateDirectory(folder);
        var target = Path.Combine(folder, file.Name);
        if (File.Exists(target) && (file.Checksum is null || Matches(target, file.Checksum, stop)))
            return target;
        var part = target + ".part";
        var problems = new List<string>();
        foreach (var address in file.Addresses)
        {
            for (var attempt = 0; attempt < Attempts; attempt++)
            {
                try
                {
                    await TransferAsync(address, part, file.Name, progress, stop).ConfigureAwait(false);
                    if (file.Checksum is null || Matches(part, file.Checksum, stop))
                    {
                        File.Move(part, target, overwrite: true);
                        return target;
                    }
                    File.Delete(part);
                    problems.Add($"{address}: the file's checksum is not {file.Checksum}");
                    break;
                }
                catch (HttpRequestException error) when (error.StatusCode is { } status && (int)status is >= 400 and < 500)
                {
                    problems.Add($"{address}: {(int)status}");
                    break;
                }
                catch (Exception error)
                    when (error is HttpRequestException or IOException
                        || (error is OperationCanceledException && !stop.IsCancellationRequested)
                    )
                {
                    if (attempt == Attempts - 1)
                        problems.Add($"{address}: {error.Message}");
                }
            }
        }
        throw new DataException($"{file.Name} cannot be fetched: {string.Join("; ", problems)}");
    }

    /// <summary>Whether a file has a checksum.</summary>
    /// <param name="path">The file.</param>
    /// <param name="checksum">MD5 (32 hexadecimal digits) or SHA-256 (64).</param>
    /// <param name="stop">Ends reading.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static bool Matches(string path, string checksum, CancellationToken stop = default)
    {
        using var stream = File.OpenRead(path);
        // These data sets publish MD5: it tells damage, not malice.
        using var hash = IncrementalHash.CreateHash(checksum.Length == 32 ? HashAlgorithmName.MD5 : HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 18];
        for (int read; (read = stream.Read(buffer)) > 0; )
        {
            stop.ThrowIfCancellationRequested();
            hash.AppendData(buffer, 0, read);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset()) == checksum;
    }

    private async Task TransferAsync(
        string address,
        string part,
        string name,
        IProgress<DownloadProgress>? progress,
        CancellationToken stop
    )
    {
        var there = File.Exists(part) ? new FileInfo(part).Length : 0;
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        if (there > 0)
            request.Headers.Range = new RangeHeaderValue(there, null);
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stop).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            // Either all of it is there, which the checksum tells, or it is another file.
            if (response.Content.Headers.ContentRange?.Length == there)
                return;
            File.Delete(part);
            throw new IOException("what was fetched before is not the start of this file");
        }
        response.EnsureSuccessStatusCode();
        var resumed = response.StatusCode == HttpStatusCode.PartialContent;
        if (!resumed)
            there = 0;
        var total = response.Content.Headers.ContentLength + there;
        await using var source = await response.Content.ReadAsStreamAsync(stop).ConfigureAwait(false);
        await using var target = new FileStream(part, resumed ? FileMode.Append : FileMode.Create, FileAccess.Write);
        var buffer = new byte[1 << 18];
        for (int read; (read = await source.ReadAsync(buffer, stop).ConfigureAwait(false)) > 0; )
        {
            await target.WriteAsync(buffer.AsMemory(0, read), stop).ConfigureAwait(false);
            there += read;
            progress?.Report(new(name, there, total));
        }
        if (total is { } expected && there < expected)
            throw new IOException($"the transfer ended after {there} of {expected} bytes");
    }
}
