using Tessera.Testing;

namespace Tessera.Training.Tests;

public sealed class RunLockTests
{
    [Fact]
    public void Whoever_comes_second_is_told_who_holds_the_run()
    {
        using var folder = new TempFolder();
        using (RunLock.Take(folder.Path))
        {
            var message = Assert.Throws<RunException>(() => RunLock.Take(folder.Path)).Message;
            Assert.Contains(
                $"{folder.Path}: process {Environment.ProcessId} on {Environment.MachineName}",
                message,
                StringComparison.Ordinal
            );
        }
        // A notice that a killed process has left says nothing.
        File.WriteAllText(folder["process.json"], """{ "process": 1, "host": "gone" }""");
        using (RunLock.Take(folder.Path))
            Assert.DoesNotContain("gone", Assert.Throws<RunException>(() => RunLock.Take(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("null")]
    [InlineData("{}")]
    public void A_damaged_notice_costs_no_more_than_the_name(string notice)
    {
        using var folder = new TempFolder();
        using var held = RunLock.Take(folder.Path);
        File.WriteAllText(folder["process.json"], notice);
        Assert.Contains(
            "is training this run",
            Assert.Throws<RunException>(() => RunLock.Take(folder.Path)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_folder_that_was_made_for_nothing_goes_away_and_one_with_files_stays()
    {
        using var folder = new TempFolder();
        RunLock.Take(folder["empty"]).Dispose();
        Assert.False(Directory.Exists(folder["empty"]));
        using (RunLock.Take(folder["full"]))
            File.WriteAllText(Path.Combine(folder["full"], "file"), "");
        Assert.True(File.Exists(Path.Combine(folder["full"], "file")));
        Directory.CreateDirectory(folder["mine"]);
        RunLock.Take(folder["mine"]).Dispose();
        Assert.True(Directory.Exists(folder["mine"]));
        RunLock.Take(folder["mine"]).Dispose();
    }
}
