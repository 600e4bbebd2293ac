using System.Diagnostics;
using System.Globalization;

namespace Tessera.Native;

/// <summary>Builds the native library for a libtorch that no package has one for: once, into the user's cache.</summary>
/// <param name="places">Where to look for the tools and for the cache.</param>
/// <param name="say">Told what happens, line by line.</param>
/// <param name="run">Runs a program with arguments; its output goes into a file. Gives its exit code.</param>
internal sealed class ShimBuild(Places places, Action<string> say, Func<string, IReadOnlyList<string>, string, int> run)
{
    internal const string FileName = "libtessera.so";

    private static readonly string[][] tools =
    [
        ["g++", "c++"],
        ["cmake"],
        ["make", "ninja"],
    ];

    /// <summary>The build of this process: it says on standard error what it does.</summary>
    internal static ShimBuild OfProcess(Places places) => new(places, line => Console.Error.WriteLine($"tessera: {line}"), Run);

    /// <summary>Where the library for a libtorch lies once it is built; null where there is no place for it.</summary>
    internal string? PathOf(Libtorch libtorch) => FolderOf(libtorch) is { } folder ? Path.Combine(folder, FileName) : null;

    /// <summary>What a build needs and does not find, such as "g++ and cmake"; empty where nothing is missing.</summary>
    internal string Missing =>
        string.Join(
            " and ",
            tools
                .Where(alternatives => !alternatives.Any(IsOnPath))
                .Select(alternatives => alternatives[0])
                .Concat(places.Cache is null ? ["a folder for it (XDG_CACHE_HOME or HOME)"] : [])
        );

    /// <summary>Builds the library unless another process has in the meantime.</summary>
    /// <param name="libtorch">What to build it for; it has headers.</param>
    /// <returns>The path of the library.</returns>
    /// <exception cref="DllNotFoundException">The build failed; the message names its log.</exception>
    internal string Build(Libtorch libtorch)
    {
        var folder = FolderOf(libtorch) ?? throw new InvalidOperationException($"missing: {Missing}");
        var built = Path.Combine(folder, FileName);
        try
        {
            Directory.CreateDirectory(places.Cache!);
            using var mine = FileLock.Take(folder + ".lock", () => say("waits for another process that builds the native library"));
            if (!File.Exists(built))
                BuildAlone(libtorch, folder);
            return built;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DllNotFoundException($"Tessera cannot build its native library in {places.Cache}: {error.Message}", error);
        }
    }

    // The version is a text from a file.
    private string? FolderOf(Libtorch libtorch) =>
        places.Cache is { } cache ? Path.Combine(cache, $"{libtorch.Key}-{libtorch.Version?.Replace('/', '_')}-{ShimSources.Hash}") : null;

    private void BuildAlone(Libtorch libtorch, string folder)
    {
        var log = folder + ".log";
        // What a process left that was stopped: nobody else holds the lock.
        var beside = folder + ".new";
        if (Directory.Exists(beside))
            Directory.Delete(beside, recursive: true);
        var sources = Path.Combine(beside, "sources");
        var objects = Path.Combine(beside, "objects");
        ShimSources.Write(sources);
        say($"builds its native library for {libtorch}, once; this takes some minutes (log: {log})");
        var started = Stopwatch.GetTimestamp();
        Step(
            log,
            "-S",
            sources,
            "-B",
            objects,
            "-DCMAKE_BUILD_TYPE=Release",
            "-DCMAKE_SKIP_RPATH=ON",
            $"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={beside}",
            $"-DTESSERA_LIBTORCH={libtorch.Headers}"
        );
        Step(log, "--build", objects, "--target", "tessera", "--parallel", Jobs.ToString(CultureInfo.InvariantCulture));
        Directory.Delete(sources, recursive: true);
        Directory.Delete(objects, recursive: true);
        Directory.Move(beside, folder);
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds.ToString("0", CultureInfo.InvariantCulture);
        say($"built {Path.Combine(folder, FileName)} in {seconds} s");
    }

    private void Step(string log, params string[] arguments)
    {
        if (run("cmake", arguments, log) is not 0 and var code)
            throw new DllNotFoundException(
                $"Tessera could not build its native library (cmake {arguments[0]} ended with exit code {code}): the reason is in {log}"
            );
    }

    // One compiler takes up to 2 GB.
    private static int Jobs =>
        (int)Math.Clamp(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2_000_000_000, 1, Environment.ProcessorCount);

    private bool IsOnPath(string tool) =>
        (places.Given("PATH") ?? "")
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Any(folder => File.Exists(Path.Combine(folder, tool)));

    private static int Run(string program, IReadOnlyList<string> arguments, string log)
    {
        using var file = new StreamWriter(log, append: true);
        using var process = new Process
        {
            StartInfo = new(program, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            },
        };
        void Write(object sender, DataReceivedEventArgs line)
        {
            lock (file)
                file.WriteLine(line.Data);
        }
        process.OutputDataReceived += Write;
        process.ErrorDataReceived += Write;
        process.Start();
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.WaitForExit();
        return process.ExitCode;
    }
}
