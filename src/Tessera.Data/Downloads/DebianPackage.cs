using System.ComponentModel;
using System.Diagnostics;

namespace Tessera.Data.Downloads;

/// <summary>Files of a Debian package, taken out without installing it: neither root nor a changed system is needed.</summary>
internal static class DebianPackage
{
    internal static async Task ExtractAsync(string package, string packageFolder, string folder, CancellationToken stop)
    {
        var work = Directory.CreateTempSubdirectory("tessera-package-");
        try
        {
            await RunAsync("apt-get", ["download", package], work.FullName, stop).ConfigureAwait(false);
            var archive = work.EnumerateFiles("*.deb").FirstOrDefault()
                ?? throw new DataException($"apt-get download {package} gave no package");
            await RunAsync("dpkg-deb", ["--extract", archive.FullName, "files"], work.FullName, stop).ConfigureAwait(false);
            Directory.CreateDirectory(folder);
            foreach (var file in new DirectoryInfo(Path.Combine(work.FullName, "files", packageFolder)).EnumerateFiles())
            {
                // The package was unpacked elsewhere: what is copied in part gets no name under which it would be read.
                var copy = Path.Combine(folder, file.Name + ".copy");
                file.CopyTo(copy, overwrite: true);
                File.Move(copy, Path.Combine(folder, file.Name), overwrite: true);
            }
        }
        catch (DirectoryNotFoundException error)
        {
            throw new DataException($"Debian's package {package} has no folder {packageFolder}", error);
        }
        finally
        {
            work.Delete(recursive: true);
        }
    }

    /// <summary>Runs a program to its end.</summary>
    /// <param name="program">Its name.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="folder">Where it runs.</param>
    /// <param name="stop">Ends it, and the programs that it has started.</param>
    /// <exception cref="DataException">It cannot be run, or it failed.</exception>
    internal static async Task RunAsync(string program, string[] arguments, string folder, CancellationToken stop)
    {
        try
        {
            using var process = Process.Start(
                new ProcessStartInfo(program, arguments)
                {
                    WorkingDirectory = folder,
                    RedirectStandardError = true,
                    RedirectStandardOutput = true,
                }
            )!;
            var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
            try
            {
                await process.WaitForExitAsync(stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // It works in a folder that is deleted next.
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
                throw;
            }
            await output.ConfigureAwait(false);
            var text = await errors.ConfigureAwait(false);
            if (process.ExitCode == 0)
                return;
            var last = text.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault("").Trim();
            throw new DataException($"{program} {string.Join(' ', arguments)} failed: {last}");
        }
        catch (Win32Exception error)
        {
            throw new DataException($"{program} cannot be run: {error.Message}", error);
        }
    }
}
