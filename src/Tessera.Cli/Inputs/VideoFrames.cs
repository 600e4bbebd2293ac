using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using FFMpegCore;
using FFMpegCore.Exceptions;
using FFMpegCore.Pipes;
using Tessera.Cli.Shell;
using Tessera.Data;
using Tessera.Data.Imaging;

namespace Tessera.Cli.Inputs;

/// <summary>A frame of a video.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Seconds">Since the beginning.</param>
internal sealed record VideoFrame(long Number, double Seconds)
{
    /// <summary>Its time, as messages have it.</summary>
    internal string Time => string.Create(CultureInfo.InvariantCulture, $"{Seconds:0.000} s");

    /// <summary>Number and time: names of files stand in the order of the frames.</summary>
    internal string Name => string.Create(CultureInfo.InvariantCulture, $"{Number:000000}_{Seconds:0.000}s");
}

/// <summary>
/// The frames of a video, which ffmpeg decodes one after the other into a pipe: it waits while nobody takes them, and no frame lies on the
/// disk. Frames come at the video's mean rate.
/// </summary>
internal static class VideoFrames
{
    private static readonly PipeOptions ahead = new(pauseWriterThreshold: 1 << 20, resumeWriterThreshold: 1 << 19);
    private const int LongestHeader = 64;

    /// <summary>Frames with their pixels; whoever takes one disposes of it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="every">Each frame of such a number: 1 for all.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="UserException">ffmpeg is not installed.</exception>
    /// <exception cref="DataException">The file is no video, or a damaged one.</exception>
    internal static IEnumerable<(VideoFrame Frame, Image Image)> Read(string path, int every, CancellationToken stop)
    {
        if (!File.Exists(path))
            throw new DataException($"{path}: there is no such file");
        foreach (var program in (string[])["ffmpeg", "ffprobe"])
            if (!IsInstalled(program))
                throw new UserException(
                    $"{path}: frames of videos need the program {program}, which is not on the PATH: install ffmpeg "
                        + "(Debian: apt-get install ffmpeg)"
                );
        var rate = RateOf(path);
        var pipe = new Pipe(ahead);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var decoding = Decode(path, rate, pipe.Writer, ended.Token);
        var number = 0L;
        var frames = pipe.Reader.AsStream();
        try
        {
            while (Next(frames, path) is { } frame)
                if (number++ % every == 0)
                    yield return (new(number, (number - 1) / rate), Image.Decode(frame));
        }
        finally
        {
            ended.Cancel();
            // Whoever waits for room in the pipe goes on.
            frames.Dispose();
            decoding.GetAwaiter().GetResult();
        }
        if (number == 0)
            throw new DataException($"{path}: ffmpeg finds no frame in it");
    }

    private static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator)
            .Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, program)));

    private static double RateOf(string path)
    {
        try
        {
            return FFProbe.Analyse(path).PrimaryVideoStream is { AverageFrameRate: > 0 and var rate } && double.IsFinite(rate)
                ? rate
                : throw new DataException($"{path}: ffprobe finds no pictures in it");
        }
        catch (Exception error) when (error is FFProbeException or FFMpegException)
        {
            throw new DataException($"{path}: ffprobe cannot read it: {LineOf(error)}");
        }
    }

    private static string LineOf(Exception error) => error.Message.ReplaceLineEndings(" ").Trim();

    // Each frame comes as a small file of its own, whose header says its size. What goes wrong reaches whoever reads the pipe.
    private static async Task Decode(string path, double rate, PipeWriter frames, CancellationToken stop)
    {
        Exception? problem = null;
        try
        {
            await FFMpegArguments
                .FromFileInput(path)
                .OutputToPipe(new StreamPipeSink(frames.AsStream(leaveOpen: true)), options =>
                    options.WithFrameRate(rate).WithVideoCodec("ppm").ForceFormat("image2pipe")
                )
                .CancellableThrough(stop, TimeSpan.Zero)
                .ProcessAsynchronously(cancellationToken: stop)
                .ConfigureAwait(false);
        }
        catch (FFMpegException error)
        {
            problem = new DataException($"{path}: ffmpeg cannot decode it: {LineOf(error)}");
        }
        catch (OperationCanceledException error)
        {
            problem = error;
        }
        await frames.CompleteAsync(problem).ConfigureAwait(false);
    }

    private static byte[]? Next(Stream frames, string path)
    {
        if (Header(frames, path) is not { } header)
            return null;
        var frame = new byte[header.Bytes.Length + header.Pixels];
        header.Bytes.CopyTo(frame, 0);
        frames.ReadExactly(frame.AsSpan(header.Bytes.Length));
        return frame;
    }

    // P6, width, height and 255, each with white space behind: null at the end.
    private static (byte[] Bytes, int Pixels)? Header(Stream stream, string path)
    {
        var bytes = new List<byte>();
        var spaces = 0;
        while (spaces < 4)
        {
            var value = stream.ReadByte();
            if (value < 0 && bytes.Count == 0)
                return null;
            if (value < 0 || bytes.Count == LongestHeader)
                throw new DataException($"{path}: ffmpeg's frames end in the middle of one");
            bytes.Add((byte)value);
            spaces += char.IsWhiteSpace((char)value) ? 1 : 0;
        }
        var words = Encoding.ASCII.GetString([.. bytes]).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return
            words is ["P6", var width, var height, "255"]
            && int.TryParse(width, NumberStyles.None, CultureInfo.InvariantCulture, out var columns)
            && int.TryParse(height, NumberStyles.None, CultureInfo.InvariantCulture, out var rows)
            ? ([.. bytes], checked(3 * columns * rows))
            : throw new DataException($"{path}: ffmpeg's frames begin with '{string.Join(' ', words)}', and must be PPM of 8 bits");
    }
}
